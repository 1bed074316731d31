"""What a set of pairs is made of, and what somebody is told about it."""

from dataclasses import fields

from finetune.pairs.composition import BOUNDS, Composition, composition_of, greedy
from finetune.pairs.filters import FilterRules, Known, all_together, each_by_itself
from tests.finetune.pairs.test_filters import many

RULES = FilterRules(refusals=2.0)
NO, YES = "I cannot help you with that, sorry.", "Take a bowl and start."


def made_of(safety: int, others: int, wins: int = 0, loses: int = 0) -> Composition:
    return Composition({"safety": safety, "helpfulness": others}, wins, loses)


def test_kinds_and_refusals_are_counted() -> None:
    pairs = [*many(6), *many(4, kind="helpfulness", chosen=YES, rejected=NO)]
    assert composition_of(pairs) == made_of(6, 4, wins=6, loses=4)


def test_a_balance_that_the_floor_kept_from_being_had_is_told() -> None:
    (told,) = made_of(79, 24).lopsided(RULES)
    assert told.startswith("79 pairs about safety, 24 others: filters.balance asks for 3 to 1")
    assert "floor (100)" in told


def test_a_balance_that_was_had_is_not_told() -> None:
    assert made_of(72, 24).lopsided(RULES) == ()


def test_a_balance_that_the_filter_made_is_not_told() -> None:
    assert made_of(300, 100).lopsided(RULES) == ()


def test_refusals_that_the_floor_kept_from_being_balanced_are_told() -> None:
    (told,) = made_of(50, 50, wins=45, loses=10).lopsided(RULES)
    assert told.startswith("declining wins in 45 pairs and loses in 10: filters.refusals asks for 2 to 1")


def test_where_nobody_asks_for_a_balance_of_refusals_none_is_missed() -> None:
    assert made_of(50, 50, wins=45, loses=10).lopsided(FilterRules()) == ()


def test_pairs_that_are_all_about_safety_are_told() -> None:
    (told,) = Composition({"safety": 100}, 100, 0).lopsided(FilterRules())
    assert told.startswith("all 100 pairs are about safety")


def test_without_pairs_nothing_is_told() -> None:
    assert composition_of([]).lopsided(RULES) == ()


def test_a_filter_that_takes_more_than_a_fifth_is_named_with_its_setting() -> None:
    assert greedy(128, {"trigger phrase": 40, "key burst": 28}) == (
        "filter `trigger phrase` took 40 of 196 pairs: finetune.filters.phrase_share (docs/pairs.md#filters)",
    )


def test_a_filter_without_a_setting_is_named_alone() -> None:
    (told,) = greedy(10, {"personal data": 10})
    assert told == "filter `personal data` took 10 of 20 pairs (docs/pairs.md#filters)"


def test_ratings_are_no_pairs() -> None:
    assert greedy(100, {"ratings: feedback share": 500}) == ()


def test_every_bound_is_a_setting_of_a_filter() -> None:
    filters = {**each_by_itself(RULES, Known()), **all_together(RULES, Known())}
    assert set(BOUNDS) <= set(filters)
    assert set(BOUNDS.values()) <= {field.name for field in fields(FilterRules)}
