"""NemoGuard and its successors: JSON with names, or two lines behind thoughts."""

from typing import Any

import pytest

from guards.models.answer import Unreadable, answers_of
from guards.models.nemoguard import NemoGuard
from guards.verdict import Where
from tests.fakes.reading import conversation, read
from tests.fakes.service import completion

JSON, LINES = NemoGuard(), NemoGuard("reasoning")
BOTH = '{"User Safety": "unsafe", "Response Safety": "safe", "Safety Categories": "Violence, Threat"}'


@pytest.mark.parametrize(
    ("guard", "side", "text", "score", "labels"),
    [
        (JSON, "prompt", BOTH, 1.0, {"Threat"}),  # both are vcr
        (JSON, "reply", BOTH, 0.0, set()),
        (
            JSON,
            "prompt",
            '{\n   "User Safety": "unsafe",\n   "Safety Categories": "guns and illegal weapons"\n}',
            1.0,
            {"Guns and Illegal Weapons"},
        ),
        (
            JSON,
            "prompt",
            '{"User Safety": "unsafe", "Safety Categories": "Spying, Sexual"}',
            1.0,
            {"unknown", "Sexual"},
        ),
        (JSON, "prompt", '{"User Safety": "safe"}', 0.0, set()),
        (
            LINES,
            "prompt",
            "<think>Prompt harm: unharmful</think>Prompt harm: harmful\nResponse Harm: unharmful",
            1.0,
            set(),
        ),
        (LINES, "reply", "Prompt harm: harmful\nResponse Harm: unharmful", 0.0, set()),
    ],
)
def test_verdicts(guard: NemoGuard, side: Where, text: str, score: float, labels: set[str]) -> None:
    opinion = read(guard, side, text)
    assert opinion.scores["G.unsafe"] == score
    assert set(opinion.labels.values()) == labels


@pytest.mark.parametrize(
    ("guard", "side", "text"),
    [
        (JSON, "reply", '{"User Safety": "safe"}'),
        (JSON, "prompt", '{"User Safety": "safe", "User Safety": "unsafe"}'),
        (JSON, "prompt", '{"User Safety": "unsa'),
        (JSON, "prompt", '{"User Safety": "safe"} {"User Safety": "unsafe"}'),
        (JSON, "prompt", '["unsafe"]'),
        (JSON, "prompt", '{"User Safety": "Safe"}'),
        (JSON, "prompt", '{"User Safety": "safe", "Verdict": "fine"}'),
        (JSON, "prompt", '{"User Safety": "unsafe", "Safety Categories": ["Violence"]}'),
        (JSON, "prompt", "[" * 100_000),
        (LINES, "reply", "Prompt harm: harmful"),
        (LINES, "prompt", "<think>Prompt harm: unharmful"),
        (LINES, "prompt", "Prompt harm: harmful\nPrompt harm: unharmful"),
    ],
)
def test_anything_else_is_no_verdict(guard: NemoGuard, side: Where, text: str) -> None:
    with pytest.raises(Unreadable):
        read(guard, side, text)


@pytest.mark.parametrize(("side", "share"), [("prompt", 0.8), ("reply", 0.3)])
def test_the_probability_is_that_of_the_field_that_was_asked_for(side: Where, share: float) -> None:
    first, second = {"unsafe": 0.8, "safe": 0.2}, {"safe": 0.7, "unsafe": 0.3}
    tokens: list[Any] = ['{"', "User", " Safety", '":', ' "', first, '",', ' "', "Response", " Safety", '":']
    told = completion([*tokens, ' "', second, '"}'])
    opinion = JSON.read(JSON.questions(conversation(side))[0], *answers_of(told))
    assert opinion.scores["G.unsafe"] == pytest.approx(share)


def test_the_lines_have_their_own_words() -> None:
    told = completion(["Prompt", " harm", ":", {" un": 0.6, " harmful": 0.4}, "harmful"])
    opinion = LINES.read(LINES.questions(conversation("prompt"))[0], *answers_of(told))
    assert opinion.scores == {"G.unsafe": pytest.approx(0.4)}


def test_its_prompt_is_one_message_with_the_conversation() -> None:
    [question] = JSON.questions(conversation("reply"))
    [message] = question.body["messages"]
    assert "S1: Violence. \n" in message["content"]
    assert "S23: Immoral/Unethical. \n<END" in message["content"]
    assert (
        "<BEGIN CONVERSATION>\n\nuser: How?\n\nresponse: agent: So.\n\n<END CONVERSATION>"
        in message["content"]
    )
    assert message["content"].endswith("Output JSON: ")


def test_a_request_alone_has_no_response() -> None:
    [question] = JSON.questions(conversation("prompt"))
    assert "user: How?\n\n<END CONVERSATION>" in question.body["messages"][0]["content"]


def test_the_reasoning_model_is_told_whether_to_think() -> None:
    [plain], [thinking] = (
        NemoGuard("reasoning", think).questions(conversation("reply")) for think in (False, True)
    )
    assert plain.body["messages"][0]["content"].endswith("AI response:\nSo.\n\n/no_think")
    assert thinking.body["messages"][0]["content"].endswith("\n\n/think")
    assert "S22: Immoral/Unethical" in plain.body["messages"][0]["content"]


@pytest.mark.parametrize(("version", "think"), [("v4", False), ("v3", True)])
def test_options_that_it_has_not(version: str, think: bool) -> None:
    with pytest.raises(ValueError, match="version"):
        NemoGuard(version, think)
