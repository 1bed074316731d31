"""The majority's answer wins; rewards break ties, and where answers do not compare it says so."""

from dataclasses import replace

from gateway.strategies.majority import Majority, compare
from guards.verdict import Action
from tests.gateway.strategies.candidates import candidate, saying


def test_the_answer_of_most_wins_whatever_its_reward() -> None:
    candidates = [
        replace(each, reward=-float(each.index)) for each in saying("It is 7.", "42", "So 42", "42.0")
    ]
    choice = Majority().choose(candidates, 1)
    assert choice.winners == (1,)
    assert choice.why == "The answer of 3 of 4 safe candidates."


def test_of_those_that_agree_the_best_reward_wins_and_the_first_without_any() -> None:
    candidates = saying("1", "It is 1")
    assert Majority().choose(candidates, 1).winners == (0,)
    assert Majority().choose([candidates[0], replace(candidates[1], reward=2.0)], 1).winners == (1,)


def test_two_answers_as_frequent_are_told_apart_by_reward() -> None:
    candidates = [replace(each, reward=float(each.index)) for each in saying("1", "1", "2", "2")]
    assert Majority().choose(candidates, 2).winners == (3, 1)


def test_several_choices_are_several_answers() -> None:
    assert Majority().choose(saying("1", "1", "1", "2"), 2).winners == (0, 3)


def test_a_withheld_candidate_has_no_vote() -> None:
    candidates = [candidate(0, None, Action.REFUSE, "1"), candidate(1, None, Action.REFUSE, "1")]
    assert Majority().choose(
        [*candidates, *(replace(each, index=2) for each in saying("2", "2"))], 1
    ).winners == (2,)


def test_answers_that_do_not_compare_are_ranked_by_reward() -> None:
    candidates = [candidate(0, 1.0, text="Well."), candidate(1, 2.0, text="Hardly.")]
    choice = Majority().choose(candidates, 1)
    assert choice.winners == (1,)
    assert choice.why == "The answers do not compare. The highest reward, 2, of 2 safe candidates among 2."


def test_what_compares_agrees_somewhere_and_is_more_than_half() -> None:
    assert compare(["1", "1", None])
    assert not compare(["1", "1", None, None])
    assert not compare(["1", "2", "3"])
    assert not compare([])
