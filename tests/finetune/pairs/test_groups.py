"""Exchanges as groups."""

from dataclasses import replace
from typing import Any

import pytest

from finetune.pairs.groups import group_of, sample_of
from finetune.pairs.pair import Sample
from guards.verdict import Action, Failure, Finding, Screening, Verdict
from tests.fakes.exchanges import candidate, harmful, screened


def read(screening: Screening) -> Sample:
    """An answer of which guards said this."""
    return sample_of(replace(candidate(0, "text", 1.0), screening=screening))


def test_a_group_holds_every_candidate_with_its_label() -> None:
    group = group_of(harmful(1))
    complied, declined = group.samples
    assert (complied.withheld, complied.guard, complied.hazard) == (True, "classifier", "vcr")
    assert (declined.withheld, declined.checked, declined.reward) == (False, True, 1.5)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "text", "text": "first"}, {"type": "text", "text": "second"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "first"}, {"text": "second"}]},
        {"role": "user", "content": [{"type": "refusal", "refusal": "first\nsecond"}]},
        {"role": "user", "content": "first\nsecond", "name": "ann", "tool_calls": None, "annotations": []},
    ],
)
def test_the_same_words_are_the_same_conversation_however_they_were_written(message: dict[str, Any]) -> None:
    asked = group_of(replace(harmful(1), messages=(message,))).messages
    assert asked == ({"role": "user", "content": "first\nsecond"},)


def test_what_says_more_than_text_is_kept_as_it_came() -> None:
    picture = [{"type": "image_url", "image_url": {"url": "data:"}}]
    (message,) = group_of(replace(harmful(1), messages=({"role": "user", "content": picture},))).messages
    assert message["content"] == picture


def test_a_guard_that_failed_labels_nothing() -> None:
    failed = Screening("text", Action.REFUSE, failures=(Failure("classifier", "timed out", Action.REFUSE),))
    sample = sample_of(replace(candidate(0, "text", 1.0), screening=failed))
    assert not sample.withheld
    assert not sample.checked


def test_what_passed_is_known_by_the_guard_that_liked_it_least() -> None:
    verdicts = (Verdict("words", {"vcr": 0.0}), Verdict("classifier", {"vcr": 0.1, "ncr": 0.2}))
    sample = read(Screening("text", Action.ALLOW, verdicts=verdicts))
    assert (sample.withheld, sample.harm, sample.guard, sample.hazard) == (False, 0.2, "classifier", "ncr")


def test_personal_data_in_an_answer_is_a_risk_and_no_harm() -> None:
    sample = read(Screening("text", Action.ALLOW, verdicts=(Verdict("c", {"G.pii": 0.9, "ncr": 0.2}),)))
    assert (sample.risk, sample.harm, sample.hazard) == (0.9, 0.2, "ncr")


@pytest.mark.parametrize(("hazard", "flagged"), [("ncr", True), ("G.pii", False)])
def test_harm_that_was_found_and_passed_is_known(hazard: str, flagged: bool) -> None:
    found = Finding("classifier", hazard, 0.5, Action.FLAG)
    assert read(Screening("text", Action.FLAG, (found,))).flagged == flagged


def test_what_no_guard_read_is_not_checked() -> None:
    assert not sample_of(replace(candidate(0, "text", 1.0), screening=None)).checked


def test_a_picture_that_no_guard_reads_labels_nothing() -> None:
    found = Finding("unscanned", "G.unscanned", 1.0, Action.REFUSE, "image")
    unread = Screening("text", Action.REFUSE, (found,), unscanned={"image": 1})
    sample = sample_of(replace(candidate(0, "text", 1.0), screening=unread))
    assert not sample.withheld
    assert not sample.checked


def test_nothing_is_learned_from_what_was_said_about_a_picture() -> None:
    prompt = replace(screened("how", None), unscanned={"image": 1})
    assert not group_of(replace(harmful(1), prompt_screening=prompt)).samples


def test_an_answer_cut_off_is_not_finished() -> None:
    assert not sample_of(replace(candidate(0, "text", 1.0), finish_reason="length")).finished


def test_a_hazard_in_the_prompt_is_remembered() -> None:
    group = group_of(replace(harmful(1), prompt_screening=screened("how", "vcr")))
    assert group.prompt_hazard == "vcr"


def test_personal_data_in_a_prompt_asks_for_no_harm() -> None:
    group = group_of(replace(harmful(1), prompt_screening=screened("my card", "G.pii")))
    assert group.prompt_hazard == ""
