"""Presidio as a guard, with its expressions alone; and what is said where it is not installed."""

from importlib.util import find_spec

import pytest
from pydantic import ValidationError

from guards.detectors.presidio import Presidio, PresidioConfig
from guards.verdict import Context, Segment, Verdict

INSTALLED = find_spec("presidio_analyzer") is not None
pytestmark = pytest.mark.filterwarnings("ignore")  # its own libraries warn of what they will change
with_presidio = pytest.mark.skipif(not INSTALLED, reason="needs presidio-analyzer")


def judged(text: str, **config: object) -> Verdict:
    guard = Presidio().build("presidio", PresidioConfig.model_validate(config))
    return guard.check_now(Segment(text, "prompt"), Context())


@with_presidio
def test_it_finds_and_places_what_its_expressions_know() -> None:
    verdict = judged("Write to anna@example.org now", entities=["EMAIL_ADDRESS"])
    assert [(span.start, span.end, span.label) for span in verdict.spans] == [(9, 25, "email address")]
    assert verdict.scores["G.pii"] > 0.5


@with_presidio
def test_only_what_is_named_is_looked_for() -> None:
    assert judged("Write to anna@example.org now", entities=["CREDIT_CARD"]).spans == ()


@with_presidio
def test_an_entity_may_have_a_hazard_and_a_probability_of_its_own() -> None:
    config = {"hazards": {"CRYPTO": "X.wallet"}, "probabilities": {"CRYPTO": 0.3}, "entities": ["CRYPTO"]}
    assert judged("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", **config).scores == {"X.wallet": 0.3}
    assert Presidio().hazards(PresidioConfig.model_validate(config), "prompt") == {"G.pii", "X.wallet"}


@with_presidio
def test_what_it_is_unsure_of_is_no_find() -> None:
    text = "Write to anna@example.org, order 12345678"
    labels = {span.label for span in judged(text).spans}
    unsure = {span.label for span in judged(text, least_score=0.01).spans}
    assert "us driver license" in unsure - labels


@with_presidio
def test_an_entity_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="finds no UNICORN here"):
        PresidioConfig(entities=("UNICORN",))


@with_presidio
def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(ValidationError, match="no model 'xx_none'"):
        PresidioConfig(model="xx_none")


@with_presidio
def test_it_is_never_asked_while_everybody_waits() -> None:
    guard = Presidio().build("presidio", PresidioConfig())
    assert guard.weighs(Segment("", "prompt"), Context()) > 3_000


@pytest.mark.skipif(INSTALLED, reason="presidio-analyzer is installed")
def test_without_it_the_policy_says_what_to_install() -> None:
    with pytest.raises(ValidationError, match=r"pip install 'trimtab\[presidio\]'"):
        PresidioConfig()
