"""The grounding guard: what written material bears out and what not, counted; and when it has nothing to say."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from guards.detectors.grounding import Grounding, GroundingConfig, GroundingGuard
from guards.policy.load import read_policy
from guards.verdict import Context, PolicyRefused, Segment

CASES = yaml.safe_load((Path(__file__).parent / "grounding_cases.yaml").read_text())
HALF = len(CASES) // 2
MATERIAL = CASES[0]["material"]


def guard(**told: Any) -> GroundingGuard:
    return Grounding().build("grounding", GroundingConfig.model_validate(told))


def given(material: str, role: str = "tool") -> Context:
    return Context((("user", "What does it say?"), (role, material)))


def chance(text: str, context: Context, **how: Any) -> float:
    return dict(guard().check_now(Segment(text, "reply", **how), context).scores).get("G.ungrounded", 0.0)


def found(cases: list[dict[str, Any]], kind: str) -> float:
    """The share of these sentences that are found to have no ground."""
    judged = [chance(text, given(case["material"])) >= 0.5 for case in cases for text in case[kind]]
    assert len(judged) == 30
    return sum(judged) / len(judged)


@pytest.mark.parametrize("cases", [CASES[:HALF], CASES[HALF:]], ids=["seen", "unseen"])
def test_most_of_what_has_no_ground_is_found_and_little_of_what_has(cases: list[dict[str, Any]]) -> None:
    assert found(cases, "ungrounded") >= 0.9
    assert found(cases, "grounded") <= 0.1


def test_it_points_at_the_sentence() -> None:
    text = f"{CASES[0]['grounded'][0]} {CASES[0]['ungrounded'][0]} {CASES[0]['grounded'][1]}"
    [span] = guard().check_now(Segment(text, "reply"), given(MATERIAL)).spans
    assert text[span.start : span.end] == CASES[0]["ungrounded"][0]


@pytest.mark.parametrize("role", ["assistant", "system", "user"])
def test_without_material_it_says_nothing(role: str) -> None:
    context = given("Look at the garden, please.", role)
    verdict = guard().check_now(Segment("The roof needs 24 panes.", "reply"), context)
    assert (verdict.scores, verdict.spans) == ({}, ())


def test_a_document_from_the_user_is_material_and_a_question_is_none() -> None:
    document = given(MATERIAL + " " + MATERIAL, "user")
    assert chance(CASES[0]["ungrounded"][0], document) > 0.5
    assert chance(CASES[0]["ungrounded"][0], given("How many panes does the roof need?", "user")) == 0


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but the minutes do not mention the price of the roof.",
        "Is there anything else that you want to know about the garden?",
        "Let me know if you need the names of all members.",
        "Sure!",
    ],
)
def test_what_claims_nothing_needs_no_ground(text: str) -> None:
    assert chance(text, given(MATERIAL)) < 0.5


def test_of_a_stream_only_whole_sentences_are_judged() -> None:
    assert chance("The greenhouse roof needs 24", given(MATERIAL), whole=False) == 0
    assert chance("The greenhouse roof needs 24 new panes. And", given(MATERIAL), whole=False) > 0.5
    assert chance("The greenhouse roof needs 24", given(MATERIAL)) > 0.5


@pytest.mark.parametrize(
    ("said", "given_as"),
    [
        ("It costs 22000 euros in total.", "The total cost is 22,000 euros."),
        ("It costs 22,000 euros in total.", "The total cost is 22\u202f000 euros."),
        ("The total cost is 4.50 euros.", "Total cost: 4.5 euros"),
        ("The meeting is on 5 March.", "meeting: 2024-03-05"),
        ("The meeting lasts twelve hours.", "The meeting lasts 12 hours."),
    ],
)
def test_a_number_is_the_same_in_another_spelling(said: str, given_as: str) -> None:
    assert chance(said, given(given_as)) < 0.5


class Contrary:
    """A model of entailment that believes in nothing but panes."""

    def entailed(self, premises: Any, hypothesis: str) -> list[float]:
        return [0.9 if "panes" in hypothesis and "panes" in premise else 0.1 for premise in premises]


def test_a_model_of_entailment_has_the_word_where_there_is_one() -> None:
    by = GroundingGuard("grounding", GroundingConfig(), Contrary())
    text = "The roof needs 99 panes. The plum trees were pruned in February."
    verdict = by.check_now(Segment(text, "reply"), given(MATERIAL))
    assert [text[span.start : span.end] for span in verdict.spans] == [
        "The plum trees were pruned in February."
    ]


POLICY = """
name: grounded
version: 1
stream: {{hold_back_chars: {held}}}
guards:
  - id: grounding
    kind: grounding
    where: [reply]
    on_error: open
    hazards: {{G.ungrounded: {{action: redact, threshold: 0.8}}}}
"""


def test_a_sentence_can_be_cut_out_only_where_one_is_held_back() -> None:
    assert read_policy(POLICY.format(held=512), "p.yaml", Path()).plans
    with pytest.raises(PolicyRefused, match="400 characters"):
        read_policy(POLICY.format(held=128), "p.yaml", Path())
