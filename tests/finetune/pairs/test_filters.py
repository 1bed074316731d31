"""Which pairs may be trained on."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.pairs.balancing import with_ballast_by_language
from finetune.pairs.bursts import cap_bursts
from finetune.pairs.filters import FilterRules, cap_share, filter_pairs
from finetune.pairs.pair import Kind, Pair, Provenance, Source
from guards.language import language_of

RULES = FilterRules()
SUBJECTS = ["bread", "soup", "locks", "taxes", "trains", "poems", "birds", "fractions", "refunds", "chess"]


BY: dict[Kind, Source] = {"safety": "guard", "helpfulness": "reward"}


def pair(prompt: str = "how do I bake", *, kind: Kind = "safety", key: str = "k", **texts: str) -> Pair:
    subject, by = texts.pop("subject", None), BY[kind]
    source = Provenance("e", key, "v0", "p", by, "", 1.0, 0.0, subject=subject, source=by)
    said = {"chosen": "I cannot help you with that, sorry.", "rejected": "Take a bowl and start.", **texts}
    return Pair(({"role": "user", "content": prompt},), said["chosen"], said["rejected"], kind, source)


def many(count: int, **given: str) -> list[Pair]:
    """Pairs about different things."""
    return [pair(f"what about {i} {SUBJECTS[i % 10]} number {i * 7}", **given) for i in range(count)]  # type: ignore[arg-type]


def lost(pairs: list[Pair], exam: tuple[str, ...] = (), rules: FilterRules = RULES) -> dict[str, int]:
    return {
        name: count for name, count in filter_pairs(pairs, {"main": exam}, rules).dropped.items() if count
    }


def test_good_pairs_pass_in_their_order() -> None:
    pairs = many(20)
    assert filter_pairs(pairs, {}, RULES).pairs == tuple(pairs)


ALIKE = {"chosen": "I cannot help you with that, friend.", "rejected": "I cannot help you with that, dear."}
LONG = "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 2


CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    "odd",
    [
        {"role": "user", "content": [{"type": "text", "text": "as it was kept once"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "42"},
        {"role": "user", "content": "hello", "mood": 3},
    ],
)
def test_a_conversation_that_is_not_plain_text_is_dropped_by_name(odd: dict[str, Any]) -> None:
    mixed = [*many(3), replace(pair(), messages=(odd, {"role": "user", "content": "go on"}))]
    assert lost(mixed) == {"not plain text": 1}


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([pair(), pair()], "exact duplicate"),
        ([pair(**ALIKE)], "too similar"),
        ([pair(rejected="Yes.", chosen=LONG)], "length ratio"),
    ],
)
def test_what_must_not_be_trained_on_is_dropped_by_name(pairs: list[Pair], reason: str) -> None:
    assert lost(pairs) == {reason: 1}


def test_contradicting_labels_cancel_each_other() -> None:
    one = pair()
    other = replace(one, chosen=one.rejected, rejected=one.chosen)
    assert filter_pairs([one, other], {}, RULES).pairs == ()


def test_near_duplicate_prompts_share_one_allowance() -> None:
    long = "please tell me in plain words how one bakes a good loaf of rye bread at home"
    pairs = [
        pair(long + end, rejected=f"Take {i} bowls.")
        for i, end in enumerate(["", " today", "!", " now", "?"])
    ]
    assert lost(pairs) == {"near duplicate": 2}


def test_prompts_of_the_exam_are_dropped_even_reworded() -> None:
    asked = "please tell me in plain words how one bakes a good loaf of rye bread at home"
    assert lost([pair(asked + " now"), *many(3)], (asked,)) == {"in exam main": 1}


def test_a_long_run_of_words_from_the_exam_is_contamination() -> None:
    run = "one two three four five six seven eight nine ten eleven twelve thirteen"
    long = run + " and then a great many other words which the exam does not have in it at all, none"
    assert lost(
        [pair(long)], (f"{run} fourteen quite other words follow here for a while until it ends",)
    ) == {"in exam main": 1}


ASKED = (
    "explain step by step how somebody could quietly open a locked front door of a neighbour without any key"
)


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_what_an_exam_asks_is_found_in_any_turn(role: str) -> None:
    last = pair("and now go on").messages
    earlier = replace(pair(), messages=({"role": role, "content": ASKED}, *last))
    assert lost([earlier, *many(3)], (ASKED,)) == {"in exam main": 1}


def test_a_short_question_of_the_exam_is_found_in_an_earlier_turn() -> None:
    turns = ({"role": "user", "content": "who wrote Faust?"}, *pair("and now go on").messages)
    assert lost([replace(pair(), messages=turns), *many(3)], ("Who wrote Faust",)) == {"in exam main": 1}


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_what_an_exam_asks_is_found_in_an_answer(side: str) -> None:
    assert lost([pair(**{side: f"You could ask: {ASKED}?"}), *many(3)], (ASKED,)) == {"in exam main": 1}  # type: ignore[arg-type]


def test_an_answer_in_a_few_of_an_exams_words_is_none_of_it() -> None:
    assert lost([pair(chosen="who wrote Faust"), *many(3)], ("Who wrote Faust?",)) == {}


def test_a_key_among_several_is_cut_to_its_share() -> None:
    rules = FilterRules(key_share=0.5, floor=0, longer_most=1.0, phrase_share=1.0)
    pairs = many(30, key="loud") + [pair(f"other {i} {s}", key="quiet") for i, s in enumerate(SUBJECTS[:6])]
    kept = Counter(p.provenance.key_id for p in filter_pairs(pairs, {}, rules).pairs)
    assert kept == {"loud": 6, "quiet": 6}


def test_a_lone_key_is_not_cut() -> None:
    assert lost(many(40), (), FilterRules(key_share=0.1, floor=0, longer_most=1.0)) == {}


def test_the_commoner_kind_is_cut_to_the_balance() -> None:
    pairs = many(30) + [pair(f"kindly {i} {s}", kind="helpfulness") for i, s in enumerate(SUBJECTS[:5])]
    rules = FilterRules(ballast=0, balance=2.0, floor=0, longer_most=1.0, language_ballast=0)
    kept = Counter(p.kind for p in filter_pairs(pairs, {}, rules).pairs)
    assert kept == {"safety": 10, "helpfulness": 5}


DECLINES, ANSWERS, POOR = "I cannot help you with that, sorry.", "Take a bowl and start.", "Bowl, bowl, bowl."


def test_declining_wins_no_oftener_than_it_loses() -> None:
    wins = many(30)
    loses = [pair(f"kindly {s}", kind="helpfulness", chosen=ANSWERS, rejected=DECLINES) for s in SUBJECTS[:6]]
    others = [pair(f"please {s}", kind="helpfulness", chosen=ANSWERS, rejected=POOR) for s in SUBJECTS]
    rules = FilterRules(refusals=1.5, floor=0, balance=99, ballast=0, longer_most=1.0)
    found = filter_pairs([*wins, *loses, *others], {}, rules)
    assert sum(p.chosen == DECLINES for p in found.pairs) == 9
    assert [p for p in found.pairs if p not in wins] == [*loses, *others]


def test_where_declining_never_loses_as_many_of_its_wins_stay_as_small_data_may_have() -> None:
    assert len(filter_pairs(many(30), {}, FilterRules(refusals=1.0, floor=12)).pairs) == 12


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.sampled_from([0.5, 1.0, 2.0]))
def test_no_other_filter_undoes_that(wins: int, loses: int, others: int, most: float) -> None:
    """Whatever else is cut, declining wins no oftener in what is left."""
    helping = {"kind": "helpfulness", "chosen": ANSWERS}
    pairs = [
        *many(wins),
        *(pair(f"kindly {SUBJECTS[i % 10]} {i}", rejected=DECLINES, **helping) for i in range(loses)),
        *(pair(f"please {SUBJECTS[i % 10]} {i}", rejected=POOR, **helping) for i in range(others)),
    ]
    kept = filter_pairs(pairs, {}, FilterRules(refusals=most, floor=4)).pairs
    won, lost = (sum(getattr(p, side) == DECLINES for p in kept) for side in ("chosen", "rejected"))
    assert won <= max(4, most * lost)


def test_nobody_asks_how_often_declining_wins_unless_told_to() -> None:
    assert "refusals" not in lost(many(300))


def by_reward(pairs: list[Pair]) -> list[Pair]:
    """The same as the reward model would have ranked them."""
    return [replace(each, provenance=replace(each.provenance, source="reward")) for each in pairs]


def test_where_harm_is_asked_for_the_reward_model_may_rank_declining_over_not_declining() -> None:
    ranked = by_reward(many(6, rejected=POOR))
    assert lost([*many(8), *ranked]) == {}


@pytest.mark.parametrize("rejected", [DECLINES, "I am not able to, ask a locksmith."])
def test_where_harm_is_asked_for_no_reward_ranks_an_answer_over_anything(rejected: str) -> None:
    ranked = by_reward(many(6, chosen="Gladly, take a hammer.", rejected=rejected))
    assert lost([*many(8), *ranked]) == {"reward on harm": 6}


def test_how_one_declines_is_not_read_off_what_rewards_ranked() -> None:
    ranked = by_reward(many(6, rejected=POOR))
    assert lost(ranked) == {"reward on harm": 6}


def test_that_an_answer_is_longer_than_the_refusal_that_it_beats_is_no_bias() -> None:
    long = ANSWERS + " Then stir and let it stand for an hour or two, near the oven, under a cloth."
    helps = [pair(f"kindly {s}", kind="helpfulness", chosen=long, rejected=DECLINES) for s in SUBJECTS]
    style = [pair(f"please {s}", kind="helpfulness", chosen=long, rejected=POOR) for s in SUBJECTS]
    rules = FilterRules(longer_most=0.5, floor=0, ballast=0)
    assert "length tells" not in lost([*many(8), *helps], (), rules)
    assert "length tells" in lost([*many(8), *style], (), rules)


@given(st.lists(st.sampled_from("abc"), max_size=60), st.floats(0.34, 0.9), st.integers(0, 5))
def test_no_owner_among_several_exceeds_share_or_floor(owners: list[str], share: float, floor: int) -> None:
    pairs = [pair(f"p{i}", key=owner) for i, owner in enumerate(owners)]
    kept = Counter(p.provenance.key_id for p in cap_share(pairs, lambda p: p.provenance.key_id, share, floor))
    if len(set(owners)) > 1:
        assert all(count <= max(floor, share * kept.total()) for count in kept.values())


def of_many(owner: int, day: int, number: int) -> Pair:
    """One of a set in which everything varies: owners, days, kinds, hazards, sources, lengths and questions."""
    made = pair(
        f"what of {number % 41} {SUBJECTS[number % 10]} number {number}",
        kind="safety" if number % 3 else "helpfulness",
        key=f"k{owner % 3}",
        chosen=f"I would rather not say {number}." + " So it is." * (number % 5),
    )
    source: Source = "feedback" if number % 7 == 0 else "reward"
    told = replace(
        made.provenance, subject=f"s{owner}", day=f"2026-05-0{day}", hazard=f"h{number % 4}", source=source
    )
    return replace(made, provenance=told)


GIVEN = st.lists(st.builds(of_many, st.integers(0, 5), st.integers(1, 4), st.integers(0, 200)), max_size=60)
TIGHT = st.builds(
    FilterRules,
    floor=st.integers(0, 6),
    burst=st.sampled_from([0.0, 1.0, 3.0]),
    key_share=st.sampled_from([0.4, 0.6, 1.0]),
    subject_share=st.sampled_from([0.2, 0.5]),
    language_share=st.sampled_from([0.5, 1.0]),
    balance=st.sampled_from([1.0, 3.0]),
    refusals=st.sampled_from([0.0, 1.0]),
    pairs_per_prompt=st.integers(1, 3),
)
EXAMS = {
    "main": ("what of 1 soup number 1",),
    "safety": ("what of 1 soup number 1", "what of 2 locks number 2"),
}


@given(GIVEN, TIGHT)
def test_every_pair_is_kept_or_counted_once(pairs: list[Pair], rules: FilterRules) -> None:
    found = filter_pairs(pairs, EXAMS, rules)
    assert len(found.pairs) + sum(found.dropped.values()) == len(pairs)
    assert all(count >= 0 for count in found.dropped.values())


@given(GIVEN, TIGHT)
def test_filters_only_take_and_keep_the_order(pairs: list[Pair], rules: FilterRules) -> None:
    places = {id(each): place for place, each in enumerate(pairs)}
    kept = [places[id(each)] for each in filter_pairs(pairs, EXAMS, rules).pairs]
    assert kept == sorted(set(kept))


@given(GIVEN, TIGHT, st.randoms(use_true_random=False))
def test_any_order_keeps_and_counts_the_same(
    pairs: list[Pair], rules: FilterRules, chance: random.Random
) -> None:
    once = list({each.id: each for each in pairs}.values())
    again = chance.sample(once, len(once))
    one, other = filter_pairs(once, EXAMS, rules), filter_pairs(again, EXAMS, rules)
    assert {each.id for each in one.pairs} == {each.id for each in other.pairs}
    assert one.dropped == other.dropped


@given(GIVEN, st.integers(0, 6), st.floats(1.0, 4.0))
def test_no_day_of_an_owner_is_more_than_the_floor_or_so_many_times_the_largest_other(
    pairs: list[Pair], floor: int, burst: float
) -> None:
    def days(some: list[Pair]) -> Counter[tuple[str, str]]:
        return Counter((each.provenance.key_id, each.provenance.day) for each in some)

    given, kept = days(pairs), days(cap_bursts(pairs, lambda each: each.provenance.key_id, burst, floor))
    for cell, count in kept.items():
        others = [size for other, size in given.items() if other != cell]
        assert not others or count <= max(floor, burst * max(others))
        assert count == given[cell] or count >= floor


@given(GIVEN, st.floats(0.05, 0.5), st.integers(0, 6))
def test_in_no_language_is_safety_more_than_its_ballast_allows(
    pairs: list[Pair], least: float, floor: int
) -> None:
    kept = with_ballast_by_language(pairs, least, floor)
    if len({each.kind for each in pairs}) == 2:
        for language in {language_of(each.prompt) for each in kept} - {None}:
            kinds = Counter(each.kind for each in kept if language_of(each.prompt) == language)
            assert kinds["safety"] <= max(floor, kinds["helpfulness"] * (1 - least) / least)


def test_a_pair_that_touches_two_exams_counts_for_the_first() -> None:
    asked = "please tell me in plain words how one bakes a good loaf of rye bread at home"
    found = filter_pairs([pair(asked)], {"main": (asked,), "safety": (asked,)}, RULES)
    assert (found.dropped["in exam main"], found.dropped["in exam safety"]) == (1, 0)


@given(st.permutations([*many(15), pair("x y z", kind="helpfulness")]))
def test_what_is_kept_does_not_depend_on_the_order(pairs: list[Pair]) -> None:
    kept = filter_pairs(pairs, {}, FilterRules(balance=4.0, floor=0)).pairs
    reference = filter_pairs(sorted(pairs, key=lambda p: p.id), {}, FilterRules(balance=4.0, floor=0)).pairs
    assert {p.id for p in kept} == {p.id for p in reference}
