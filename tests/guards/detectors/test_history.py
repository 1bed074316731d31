"""A conversation as guards read it on from its last turn: where turns begin and end, and what is forgotten."""

from guards.detectors.history import MOST_ASKED, Exchange, before, exchanges, last_turn, opening, shortened
from guards.verdict import Context


def talk(*turns: tuple[str, str]) -> Context:
    return Context(turns)


def test_a_turn_is_all_that_a_user_says_without_an_answer() -> None:
    context = talk(
        ("system", "s"),
        ("user", "a"),
        ("user", "b"),
        ("assistant", "x"),
        ("tool", "t"),
        ("assistant", "y"),
        ("user", "c"),
    )
    assert list(exchanges(context)) == [Exchange("a\nb", "x\ny"), Exchange("c")]
    assert last_turn(context) == "c"


def test_a_system_message_in_between_ends_no_turn() -> None:
    context = talk(("user", "a"), ("system", "s"), ("user", "b"))
    assert last_turn(context) == "a\nb"


def test_only_the_last_exchanges_are_read_again_and_only_their_ends() -> None:
    turns = [(role, f"{number}" * 1500) for number in range(6) for role in ("user", "assistant")]
    earlier = before(talk(*turns, ("user", "now")))
    assert [each.asked for each in earlier] == ["3" * MOST_ASKED, "4" * MOST_ASKED, "5" * MOST_ASKED]


def test_of_much_the_middle_is_left_out() -> None:
    assert shortened("a" * 1500 + "b" * 1500) == "a" * 1000 + "\n" + "b" * 1000
    assert shortened("short") == "short"


def test_what_is_put_into_the_assistants_mouth_is_an_opening() -> None:
    assert opening(talk(("user", "a"), ("assistant", "Sure: "))) == "Sure: "
    assert opening(talk(("user", "a"))) == opening(talk()) == ""
