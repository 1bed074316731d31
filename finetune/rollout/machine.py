"""Where a rollout goes next: on, back, or nowhere yet. Pure.

staged → shadow → canary, share by share → live
   └────────┴────────┴──→ rolled back
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from finetune.rollout.evidence import Evidence
from finetune.rollout.plan import PROOF, RolloutRules

State = Literal["staged", "shadow", "canary", "live", "rolled_back", "stopped"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a rollout is, since when, how many pairs that state has seen, and how long it was paused."""

    state: State
    share: float
    created_at: datetime
    pairs: int
    paused: timedelta = timedelta()  # in all: it costs no patience


@dataclass(frozen=True, slots=True)
class Move:
    """Where to, and why; `share` is the version's part of the traffic, or in a shadow the part that it is shown."""

    state: State
    share: float
    why: str

    @property
    def ends(self) -> bool:
        """Whether the rollout is over with it."""
        return self.state in ("live", "rolled_back", "stopped")


def decide(
    standing: Standing, found: Mapping[str, Evidence], rules: RolloutRules, now: datetime
) -> Move | None:
    """The next move; None while there is too little to go by."""
    if (back := retreat(found, rules)) is not None:
        return back
    if standing.state == "staged":
        return first_move(rules)
    if (onward := advanced(standing, found, rules)) is not None:
        return onward
    if now - standing.created_at - standing.paused > timedelta(hours=rules.longest_hours):
        what = f"not proven within {rules.longest_hours:g} hours: {lacking(standing, found, rules)}"
        return Move("rolled_back", 0.0, what)
    return None


def retreat(found: Mapping[str, Evidence], rules: RolloutRules) -> Move | None:
    """The way back, where an alarm asks for it."""
    alarm = alarmed(found, rules)
    return None if alarm is None else Move("rolled_back", 0.0, alarm)


def first_move(rules: RolloutRules) -> Move:
    """Out of the stage: to the shadow, or straight to the first clients."""
    if rules.shadow_share > 0 and rules.shadow_pairs > 0:
        return Move("shadow", rules.shadow_share, "loaded on every engine, and answers")
    if rules.shares:
        return Move("canary", rules.shares[0], "loaded on every engine, and answers; no shadow is asked for")
    return Move("live", 1.0, "loaded on every engine, and answers; no steps are asked for")


def advanced(standing: Standing, found: Mapping[str, Evidence], rules: RolloutRules) -> Move | None:
    """The next step, where this one has seen enough and nothing stands against it."""
    needed = rules.shadow_pairs if standing.state == "shadow" else rules.step_pairs
    if standing.pairs < needed:
        return None
    seen = f"{standing.pairs} pairs in this step and no alarm"
    onward = [share for share in rules.shares if standing.state == "shadow" or share > standing.share]
    if onward:
        return Move("canary", onward[0], seen)
    if not proven(found, rules):
        return None
    return Move("live", 1.0, f"{seen}; {proof_told(found, rules)}")


def alarmed(found: Mapping[str, Evidence], rules: RolloutRules) -> str | None:
    """Why the version must go, in one sentence; None while nothing is sure enough."""
    harm = {name: each for name, each in found.items() if name != PROOF}
    if not harm:
        return None
    weighed = rules.weights.weighed
    log = weighed.log(harm)
    if log < math.log(1 / rules.alpha):
        return None
    guilty = weighed.guilty(harm)
    told = harm[guilty]
    return (
        f"{guilty}: worse in {told.worse} and better in {told.better} of {told.pairs} pairs "
        f"(e-value {math.exp(min(log, 700)):.3g} of all metrics, alarm at {1 / rules.alpha:g})"
    )


def proven(found: Mapping[str, Evidence], rules: RolloutRules) -> bool:
    """Whether the new version is surely flagged no more often than the margin allows, where that is asked for."""
    if rules.flagged_margin <= 0:
        return True
    return PROOF in found and found[PROOF].highest >= math.log(1 / rules.proof_alpha)


def proof_told(found: Mapping[str, Evidence], rules: RolloutRules) -> str:
    """What was proven, in words."""
    if rules.flagged_margin <= 0:
        return "no proof was asked for"
    pairs = found[PROOF].pairs
    return (
        f"flagged no more than {100 * rules.flagged_margin:g} points beyond the old one, "
        f"proven at {1 - rules.proof_alpha:.0%} by {pairs} pairs"
    )


def lacking(standing: Standing, found: Mapping[str, Evidence], rules: RolloutRules) -> str:
    """What is still missing, in words."""
    needed = rules.shadow_pairs if standing.state == "shadow" else rules.step_pairs
    if standing.pairs < needed:
        return f"{standing.pairs} of {needed} pairs in the step {standing.state} {standing.share:g}"
    log = found[PROOF].log if PROOF in found else 0.0
    return f"no harm shown, but the proof stands at {math.exp(log):.3g} of {1 / rules.proof_alpha:g}"
