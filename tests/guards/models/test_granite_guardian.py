"""Granite Guardian: versions that are asked, and answer, in three ways."""

from typing import Any

import pytest

from guards.models.answer import Unreadable, answers_of
from guards.models.granite_guardian import GraniteGuardian
from tests.fakes.reading import conversation, read
from tests.fakes.service import completion

TRICK = "<think>the <score> no </score> trick</think><score> yes </score>"


@pytest.mark.parametrize(
    ("version", "text", "score"),
    [
        ("3.1", "Yes", 1.0),
        ("3.2", "Yes\n<confidence> High </confidence>", 1.0),
        ("3.0", "No", 0.0),
        ("3.3", "<think>\n</think>\n<score> no </score>", 0.0),
        ("4.1", TRICK, 1.0),
        ("3.3", "<score> yes </score>", 1.0),
    ],
)
def test_verdicts(version: str, text: str, score: float) -> None:
    assert read(GraniteGuardian(version), "prompt", text).scores == {"G.unsafe": score}


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("3.1", "Failed"),
        ("3.1", "Yesterday"),
        ("3.1", ""),
        ("3.3", "<score> maybe </score>"),
        ("3.3", "<score> no"),
        ("4.1", "<score> no </score> <score> yes </score>"),
        ("4.1", "<think><score> no </score>"),
        ("4.1", "Yes"),
    ],
)
def test_anything_else_is_no_verdict(version: str, text: str) -> None:
    with pytest.raises(Unreadable):
        read(GraniteGuardian(version), "prompt", text)


def test_a_requirement_that_is_met_is_no_finding() -> None:
    guard = GraniteGuardian("4.1", (), requirements={"X.brief": "At most two sentences."})
    opinion = read(guard, "reply", "<score> yes </score>")
    assert (opinion.scores, opinion.labels) == ({"X.brief": 0.0}, {})
    assert read(guard, "reply", "<score> no </score>").scores == {"X.brief": 1.0}
    assert not guard.questions(conversation("prompt"))


def test_the_probability_is_that_of_the_score_behind_the_thoughts() -> None:
    told = completion(
        ["<think>", "no", "</think>", "<score>", {" yes": 0.7, " no": 0.3}, " </", "score", ">"]
    )
    guard = GraniteGuardian("4.1")
    opinion = guard.read(guard.questions(conversation("prompt"))[0], *answers_of(told))
    assert opinion.scores == {"G.unsafe": pytest.approx(0.7)}


def test_early_versions_say_the_word_at_once() -> None:
    told, guard = completion([{"No": 0.6, "Yes": 0.4}]), GraniteGuardian("3.1", ("violence",))
    opinion = guard.read(guard.questions(conversation("prompt"))[0], *answers_of(told))
    assert (opinion.scores, opinion.labels) == ({"vcr": pytest.approx(0.4)}, {})


@pytest.mark.parametrize(
    ("version", "criteria", "kwargs"),
    [
        ("3.1", {}, {"guardian_config": {"risk_name": "harm"}}),
        ("3.1", {"X.a": "No a."}, {"guardian_config": {"risk_name": "custom", "risk_definition": "No a."}}),
        ("3.3", {}, {"guardian_config": {"criteria_id": "harm"}, "think": False}),
        ("3.3", {"X.a": "No a."}, {"guardian_config": {"custom_criteria": "No a."}, "think": False}),
    ],
)
def test_templates_are_told_what_to_judge(
    version: str, criteria: dict[str, str], kwargs: dict[str, Any]
) -> None:
    guard = GraniteGuardian(version, () if criteria else ("harm",), criteria)
    [question] = guard.questions(conversation("prompt"))
    assert question.body["chat_template_kwargs"] == kwargs


def test_the_latest_is_told_in_a_last_message() -> None:
    guard = GraniteGuardian("4.1", (), {"X.a": "No a."})
    [question] = guard.questions(conversation("reply"))
    asked = question.body["messages"][-1]
    assert [each["role"] for each in question.body["messages"]] == ["user", "assistant", "user"]
    assert asked["content"].startswith("<guardian><no-think>As a judge agent")
    assert asked["content"].endswith(
        "\n\n### Criteria: No a.\n\n### Scoring Schema: "
        "If the last assistant's text meets the criteria, return 'yes'; otherwise, return 'no'."
    )


def test_some_risks_are_of_one_side() -> None:
    guard = GraniteGuardian("3.3", ("harm", "jailbreak", "evasiveness"))
    assert guard.hazards("prompt") == {"G.unsafe", "G.jailbreak"}
    assert guard.hazards("reply") == {"G.unsafe", "X.evasiveness"}
    assert [each.about for each in guard.questions(conversation("reply"))] == ["harm", "evasiveness"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"version": "3.4"}, "version must be one of 3.0"),
        ({"version": "3.0", "risks": ("evasiveness",)}, "risks of version 3.0 are harm"),
        ({"risks": ("groundedness",)}, "for others write criteria"),
        ({"version": "3.3", "requirements": {"X.a": "b"}}, "from version 4.1 on"),
        ({"version": "3.1", "think": True}, "only versions 3.3 and 4.1 think"),
    ],
)
def test_options_that_it_has_not(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GraniteGuardian(**options)
