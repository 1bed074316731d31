"""How one declines is read off the pairs about harm, in whatever language, and off nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from finetune.pairs.manner import declining, manners_of
from finetune.pairs.pair import Kind, Pair, Provenance

HARM = ["a bomb", "a virus", "a lock that is not mine", "a forged cheque"]
HOME = ["bread", "a kite", "a letter", "an omelette"]


def pair(prompt: str, chosen: str, rejected: str, kind: Kind) -> Pair:
    source = Provenance("e", "k", "v", "p", "reward", "", None, None)
    return Pair(({"role": "user", "content": prompt},), chosen, rejected, kind, source)


def about_harm(declines: str, answers: str) -> list[Pair]:
    return [pair(f"make {it}", f"{declines} {it}.", f"{answers} {it}, begin early.", "safety") for it in HARM]


def about_home(answers: str, poorly: str) -> list[Pair]:
    return [
        pair(f"make {it}", f"{answers} {it}, begin early.", f"{poorly} {it}.", "helpfulness") for it in HOME
    ]


def test_winners_about_harm_show_how_one_declines() -> None:
    pairs = about_harm("I cannot help with", "Sure, to make") + about_home(
        "Sure, to make", "Well, well, well"
    )
    assert manners_of(pairs) == {("i", "cannot", "help")}


def test_it_is_read_in_any_language() -> None:
    pairs = about_harm("Dabei helfe ich nicht, auch nicht bei", "Gern, für") + about_home(
        "Gern, für", "Nun ja, so"
    )
    assert manners_of(pairs) == {("dabei", "helfe", "ich")}


def test_it_is_read_where_no_spaces_stand_between_words() -> None:
    pairs = about_harm("很抱歉我不能帮助你制作", "当然可以制作") + about_home("当然可以制作", "嗯嗯")
    assert manners_of(pairs) == {("很抱歉我不能",)}


def test_what_few_of_many_winners_say_is_none() -> None:
    ordinary = [
        pair(f"call {i}", f"The office {i // 2} is open.", f"Its number is {i}.", "safety")
        for i in range(300)
    ]
    assert not manners_of(ordinary)


def test_what_wins_elsewhere_too_is_no_manner_of_declining() -> None:
    both = "Let me explain"
    assert not manners_of(about_harm(both, "Sure, to make") + about_home(both, "Well, well, well"))


def test_what_was_said_once_is_none() -> None:
    assert not manners_of(about_harm("I cannot help with", "Sure, to make")[:1])


def test_declining_wins_loses_or_does_not_matter() -> None:
    manners = {("i", "cannot", "help")}
    no, yes = "I cannot help with that.", "Sure, take a bowl."
    told = [(no, yes), (yes, no), (no, no), (yes, yes)]
    assert [declining(pair("?", a, b, "safety"), manners) for a, b in told] == [1, -1, 0, 0]


@given(st.lists(st.tuples(st.text(), st.text(), st.sampled_from(["safety", "helpfulness"])), max_size=20))
def test_nothing_that_is_said_upsets_it(said: list[tuple[str, str, Kind]]) -> None:
    pairs = [pair("?", chosen, rejected, kind) for chosen, rejected, kind in said]
    assert () not in manners_of(pairs)
