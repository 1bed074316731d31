"""Where a rollout goes next."""

from datetime import UTC, datetime, timedelta

import pytest

from finetune.rollout.evidence import Evidence, fresh
from finetune.rollout.machine import Move, Standing, State, decide
from finetune.rollout.plan import HARM, PROOF, RolloutRules, proof_bets

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
RULES = RolloutRules(shadow_pairs=10, step_pairs=10, shares=(0.01, 0.05, 0.25))


def at(state: State, share: float = 0.0, pairs: int = 0, hours: float = 1.0) -> Standing:
    return Standing(state, share, NOW - timedelta(hours=hours), pairs)


def seen(flagged: list[float], *, proven: bool = False) -> dict[str, Evidence]:
    """Evidence after some differences of flags."""
    found = {name: fresh(bets) for name, bets in HARM.items()}
    for each in flagged:
        found["flagged"] = found["flagged"].updated(each, HARM["flagged"])
    proof = fresh(proof_bets(RULES.flagged_margin))
    for _ in range(4000 if proven else 0):
        proof = proof.updated(0.0, proof_bets(RULES.flagged_margin))
    return found | {PROOF: proof}


def test_out_of_the_stage_it_looks_on_first() -> None:
    assert decide(at("staged"), {}, RULES, NOW) == Move(
        "shadow", RULES.shadow_share, "loaded on every engine, and answers"
    )


def test_without_a_shadow_it_answers_its_first_clients() -> None:
    move = decide(at("staged"), {}, RolloutRules(shadow_share=0), NOW)
    assert move is not None
    assert (move.state, move.share) == ("canary", 0.01)


def test_it_waits_for_enough_pairs() -> None:
    assert decide(at("shadow", pairs=9), seen([]), RULES, NOW) is None


@pytest.mark.parametrize(
    ("standing", "share"),
    [(at("shadow", 0.1, 10), 0.01), (at("canary", 0.01, 10), 0.05), (at("canary", 0.05, 10), 0.25)],
)
def test_share_by_share_it_takes_on_traffic(standing: Standing, share: float) -> None:
    move = decide(standing, seen([]), RULES, NOW)
    assert move is not None
    assert (move.state, move.share) == ("canary", share)


def test_the_last_step_needs_proof() -> None:
    assert decide(at("canary", 0.25, 10_000), seen([]), RULES, NOW) is None
    move = decide(at("canary", 0.25, 10), seen([], proven=True), RULES, NOW)
    assert move is not None
    assert move.state == "live"
    assert "proven at 95%" in move.why


def test_no_proof_where_none_is_asked_for() -> None:
    move = decide(at("canary", 0.25, 10), seen([]), RolloutRules(step_pairs=10, flagged_margin=0), NOW)
    assert move is not None
    assert move.state == "live"


def test_an_alarm_rolls_back_from_anywhere_and_names_what_was_worse() -> None:
    for standing in (at("staged"), at("shadow", 0.1, 10), at("canary", 0.25, 10)):
        move = decide(standing, seen([1.0] * 20, proven=True), RULES, NOW)
        assert move is not None
        assert move.state == "rolled_back"
        assert "flagged: worse in 20 and better in 0 of 20 pairs" in move.why


def test_what_is_not_proven_in_time_does_not_stay() -> None:
    move = decide(at("canary", 0.25, 10, hours=100), seen([]), RULES, NOW)
    assert move is not None
    assert move.state == "rolled_back"
    assert "not proven within 72 hours: no harm shown" in move.why
