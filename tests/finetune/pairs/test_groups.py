"""Exchanges as groups."""

from dataclasses import replace

from finetune.pairs.groups import group_of, sample_of
from guards.verdict import Action, Failure, Screening
from tests.fakes.exchanges import candidate, harmful, screened


def test_a_group_holds_every_candidate_with_its_label() -> None:
    group = group_of(harmful(1))
    complied, declined = group.samples
    assert (complied.withheld, complied.guard, complied.hazard) == (True, "classifier", "vcr")
    assert (declined.withheld, declined.checked, declined.reward) == (False, True, 1.5)


def test_a_guard_that_failed_labels_nothing() -> None:
    failed = Screening("text", Action.REFUSE, failures=(Failure("classifier", "timed out", Action.REFUSE),))
    sample = sample_of(replace(candidate(0, "text", 1.0), screening=failed))
    assert not sample.withheld
    assert not sample.checked


def test_what_no_guard_read_is_not_checked() -> None:
    assert not sample_of(replace(candidate(0, "text", 1.0), screening=None)).checked


def test_an_answer_cut_off_is_not_finished() -> None:
    assert not sample_of(replace(candidate(0, "text", 1.0), finish_reason="length")).finished


def test_a_hazard_in_the_prompt_is_remembered() -> None:
    group = group_of(replace(harmful(1), prompt_screening=screened("how", "vcr")))
    assert group.prompt_hazard == "vcr"


def test_personal_data_in_a_prompt_asks_for_no_harm() -> None:
    group = group_of(replace(harmful(1), prompt_screening=screened("my card", "G.pii")))
    assert group.prompt_hazard == ""
