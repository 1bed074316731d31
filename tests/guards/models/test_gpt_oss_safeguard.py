"""gpt-oss-safeguard: the operator's policy, one word in the last line, and samples for a probability."""

from typing import Any

import pytest

from guards.models.answer import Unreadable
from guards.models.gpt_oss_safeguard import GptOssSafeguard
from tests.fakes.reading import conversation, read

GUARD = GptOssSafeguard("# No gossip\nDo not talk of neighbours.", "X.gossip")


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("VIOLATION", 1.0),
        ("It names nobody.\nSAFE", 0.0),
        ("<think>SAFE</think>Because.\n\nVIOLATION\n", 1.0),
    ],
)
def test_verdicts(text: str, score: float) -> None:
    assert read(GUARD, "prompt", text).scores == {"X.gossip": score}


@pytest.mark.parametrize("text", ["", "SAFE, I think", "VIOLATION\nor not", "safe", "UNSAFE"])
def test_anything_else_is_no_verdict(text: str) -> None:
    with pytest.raises(Unreadable):
        read(GUARD, "prompt", text)


def test_the_policy_is_the_systems_word_and_the_content_the_users() -> None:
    [question] = GUARD.questions(conversation("reply"))
    system, user = question.body["messages"]
    assert system["content"].startswith("# No gossip")
    assert "exactly one word: VIOLATION" in system["content"]
    assert user["content"].endswith("CONTENT TO JUDGE (what an assistant answered)\nSo.")
    assert "USER SAID\nHow?" in user["content"]
    assert question.body["reasoning_effort"] == "low"
    assert "logprobs" not in question.body


def test_samples_are_drawn_and_not_repeated() -> None:
    [question] = GptOssSafeguard("p", samples=5).questions(conversation("prompt"))
    assert (question.body["n"], question.body["temperature"]) == (5, 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "judges by your policy"),
        ({"policy": "p", "effort": "huge"}, "effort must be"),
        ({"policy": "p", "samples": 0}, "samples must be 1 to 16"),
    ],
)
def test_options_that_it_has_not(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GptOssSafeguard(**options)
