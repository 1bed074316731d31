"""The word that decides: where it stands, and how sure the engine was of it."""

import math
from typing import Any

import pytest

from guards.models.answer import Answer, Unreadable, answers_of, odds, word_of
from guards.verdict import GuardFailed
from tests.fakes.service import Tokens, completion, text_completion


def told(tokens: Tokens) -> Answer:
    [answer] = answers_of(completion(tokens))
    return answer


def test_the_verdict_is_not_the_first_token() -> None:
    found = odds(told(["\n\n", {"unsafe": 0.8, "safe": 0.2}]), ("safe", "unsafe"))
    assert found is not None
    assert found.shares["unsafe"] == pytest.approx(0.8)


def test_spellings_count_together_and_an_absent_word_is_rare_rather_than_impossible() -> None:
    found = odds(told([{" yes": 0.9, "Yes": 0.05, "foo": 0.05}]), ("yes", "no"))
    assert found is not None
    assert found.shares["yes"] == pytest.approx(0.99293, abs=1e-5)
    assert found.coverage == pytest.approx(0.95 + 0.05 * math.exp(-2))


@pytest.mark.parametrize("tokens", [["x"], [{"x": 0.9, "yes": 0.1}], [{"yes": 0.3, "x": 0.7}]])
def test_little_coverage_is_no_verdict(tokens: Tokens) -> None:
    with pytest.raises(Unreadable):
        odds(told(tokens), ("yes", "no"))


def test_an_engine_that_tells_of_one_token_leaves_the_rest_to_the_other_word() -> None:
    found = odds(told([{"yes": 0.9}]), ("yes", "no"))
    assert found is not None
    assert found.shares["yes"] == pytest.approx(0.9)


def test_only_the_step_behind_the_label_counts() -> None:
    answer = told(["Saf", "ety", ":", {" Unsafe": 0.7, " Safe": 0.3}])
    found = odds(answer, ("Safe", "Unsafe"), "Safety:")
    assert found is not None
    assert found.shares["Unsafe"] == pytest.approx(0.7)


def test_a_word_may_be_cut_into_tokens() -> None:
    found = odds(told([{"un": 0.6, "harm": 0.4}, "harmful"]), ("harmful", "unharmful"))
    assert found is not None
    assert found.shares["unharmful"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("token", "word"),
    [(" Safe", "Safe"), ('"unsafe', "unsafe"), ("un", "unsafe"), ("s", None), ("", None), ("Safely", None)],
)
def test_a_token_is_a_word_or_begins_one(token: str, word: str | None) -> None:
    assert word_of(token, ("Safe", "unsafe")) == word


def test_the_legacy_route_tells_the_same() -> None:
    tokens: Tokens = ["\n", {" yes": 0.75, " no": 0.25}]
    [legacy] = answers_of(text_completion(tokens))
    assert legacy == told(tokens)


def test_an_engine_without_probabilities_tells_none() -> None:
    [answer] = answers_of(completion(["yes"], told=False))
    assert (answer.text, odds(answer, ("yes", "no"))) == ("yes", None)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{"text": 5}]},
        {"choices": [{"message": {}}]},
        {"choices": [{"text": "yes", "logprobs": {"content": [{"token": "yes"}]}}]},
        {"choices": [{"text": "yes", "logprobs": {"content": [{"token": "yes", "logprob": "nan"}]}}]},
        {
            "choices": [
                {"text": "a", "logprobs": {"tokens": ["a"], "token_logprobs": [], "top_logprobs": [{}]}}
            ]
        },
    ],
)
def test_nonsense_is_a_failure(body: Any) -> None:
    with pytest.raises(GuardFailed):
        answers_of(body)
