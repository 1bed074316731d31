"""WildGuard: one written-out prompt, three lines of answer."""

import pytest

from guards.models.answer import Unreadable, answers_of
from guards.models.wildguard import WildGuard
from guards.verdict import Where
from tests.fakes.reading import conversation, read
from tests.fakes.service import text_completion

GUARD = WildGuard("X.refused")
ASKED_ONLY = "Harmful request: yes\nResponse refusal: n/a\nHarmful response: n/a\n"


@pytest.mark.parametrize(
    ("side", "text", "scores"),
    [
        ("prompt", ASKED_ONLY, {"G.unsafe": 1.0}),
        (
            "reply",
            "Harmful request: yes\nResponse refusal: yes\nHarmful response: no",
            {"G.unsafe": 0.0, "X.refused": 1.0},
        ),
        (
            "reply",
            "Harmful request: yes\nResponse refusal: no\nHarmful response: yes",
            {"G.unsafe": 1.0, "X.refused": 0.0},
        ),
    ],
)
def test_verdicts(side: Where, text: str, scores: dict[str, float]) -> None:
    assert read(GUARD, side, text).scores == scores


@pytest.mark.parametrize(
    ("side", "text"),
    [
        ("reply", ASKED_ONLY),
        ("prompt", "Harmful request: yes\nResponse refusal: no"),
        ("prompt", "Harmful request: maybe\nResponse refusal: no\nHarmful response: no"),
        ("prompt", f"{ASKED_ONLY}Harmful request: no"),
        ("prompt", ""),
    ],
)
def test_anything_else_is_no_verdict(side: Where, text: str) -> None:
    with pytest.raises(Unreadable):
        read(GUARD, side, text)


@pytest.mark.parametrize(("side", "share"), [("prompt", 0.9), ("reply", 0.4)])
def test_the_probability_is_that_of_the_line_that_was_asked_for(side: Where, share: float) -> None:
    first, last = {" yes": 0.9, " no": 0.1}, {" no": 0.6, " yes": 0.4}
    tokens = ["Harmful", " request", ":", first, "\n", "Response", " refusal", ":", " no", "\n"]
    told = text_completion([*tokens, "Harmful", " response", ":", last])
    opinion = WildGuard().read(GUARD.questions(conversation(side))[0], *answers_of(told))
    assert opinion.scores == {"G.unsafe": pytest.approx(share)}


def test_its_prompt_holds_request_and_reply() -> None:
    [question] = GUARD.questions(conversation("reply"))
    assert question.route == "/completions"
    assert question.body["prompt"].startswith("<|user|>\n[INST] You are a classifier")
    assert question.body["prompt"].endswith(
        "Human user:\nHow?\n\nAI assistant:\nSo.\n\n---\n\nAnswers: [/INST]\n<|assistant|>\n"
    )


def test_a_request_comes_with_an_empty_reply() -> None:
    [question] = GUARD.questions(conversation("prompt"))
    assert "AI assistant:\n\n\n---" in question.body["prompt"]


def test_refusals_are_a_replys() -> None:
    assert (GUARD.hazards("prompt"), GUARD.hazards("reply")) == ({"G.unsafe"}, {"G.unsafe", "X.refused"})
