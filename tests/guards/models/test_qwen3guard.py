"""Qwen3Guard: three verdicts, two modes, and a refusal for free."""

import pytest

from guards.models.answer import Unreadable, answers_of
from guards.models.qwen3guard import Qwen3Guard
from guards.verdict import Where
from tests.fakes.reading import conversation, read
from tests.fakes.service import completion

STRICT, LOOSE = Qwen3Guard(), Qwen3Guard("loose", "X.refused")
CONTROVERSIAL = "Safety: Controversial\nCategories: Politically Sensitive Topics"


@pytest.mark.parametrize(
    ("side", "text", "scores", "labels"),
    [
        (
            "prompt",
            "Safety: Unsafe\nCategories: Violent, Non-violent Illegal Acts",
            {"G.unsafe": 1.0, "vcr": 1.0, "ncr": 1.0},
            {"Violent", "Non-violent Illegal Acts"},
        ),
        ("reply", "Safety: Safe\nCategories: None\nRefusal: Yes", {"G.unsafe": 0.0}, set()),
        ("prompt", CONTROVERSIAL, {"G.unsafe": 1.0, "spc_ele": 1.0}, {"Politically Sensitive Topics"}),
        ("prompt", "<think>\n\n</think>\n\nSafety: Safe\nCategories: None", {"G.unsafe": 0.0}, set()),
        ("prompt", "Safety: Unsafe\nCategories: Weird", {"G.unsafe": 1.0}, {"unknown"}),
        (
            "prompt",
            "Safety: Unsafe\nCategories: Jailbreak",
            {"G.unsafe": 1.0, "G.jailbreak": 1.0},
            {"Jailbreak"},
        ),
    ],
)
def test_verdicts(side: Where, text: str, scores: dict[str, float], labels: set[str]) -> None:
    opinion = read(STRICT, side, text)
    assert opinion.scores == scores
    assert set(opinion.labels.values()) == labels


@pytest.mark.parametrize(
    "text",
    [
        "Safety: Safe\nSafety: Unsafe",
        "Safety: Saf",
        "safety: unsafe",
        "Safety: Safe\nCategories: Violent",
        "Safety: Safe",
        "Safety: Safe\nCategories: None\nand more",
        "",
    ],
)
def test_anything_else_is_no_verdict(text: str) -> None:
    with pytest.raises(Unreadable):
        read(STRICT, "prompt", text)


def test_loose_takes_what_is_controversial_for_safe() -> None:
    assert read(LOOSE, "prompt", CONTROVERSIAL).scores["G.unsafe"] == 0.0


def test_a_refusal_is_reported_where_the_policy_names_it() -> None:
    told = "Safety: Safe\nCategories: None\nRefusal: Yes"
    assert read(LOOSE, "reply", told).scores == {"G.unsafe": 0.0, "X.refused": 1.0}
    assert "X.refused" in LOOSE.hazards("reply")
    assert "X.refused" not in LOOSE.hazards("prompt")


@pytest.mark.parametrize(("guard", "share"), [(STRICT, 0.4), (LOOSE, 0.3)])
def test_the_probability_is_that_of_the_words_that_count(guard: Qwen3Guard, share: float) -> None:
    step = {" Safe": 0.6, " Unsafe": 0.3, " Contro": 0.1}
    told = completion(["Safety", ":", step, "\n", "Categories", ":", " None"])
    opinion = guard.read(guard.questions(conversation("prompt"))[0], *answers_of(told))
    assert opinion.scores["G.unsafe"] == pytest.approx(share)


def test_it_is_shown_the_conversation() -> None:
    [question] = STRICT.questions(conversation("reply"))
    assert [each["role"] for each in question.body["messages"]] == ["user", "assistant"]
    assert (question.route, question.body["top_logprobs"]) == ("/chat/completions", 20)


def test_there_are_two_modes() -> None:
    with pytest.raises(ValueError, match=r"strict .* or loose"):
        Qwen3Guard("medium")
