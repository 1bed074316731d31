"""Where each test of a rollout decides by itself, and what. Pure."""

import math
from dataclasses import dataclass

from finetune.rollout.plan import PROOF, RolloutRules


@dataclass(frozen=True, slots=True)
class Bar:
    """The e-value at which a test decides, and whether that lets the version go live or rolls it back."""

    e_value: float
    proves: bool

    @property
    def log(self) -> float:
        """The e-value's logarithm, as traces have it."""
        return math.log(self.e_value)

    @property
    def told(self) -> str:
        """In words; an alarm may come before it, where several tests speak against the version together."""
        return (
            f"{self.e_value:.4g}, lets it go live" if self.proves else f"{self.e_value:.4g} alone, rolls back"
        )


def bar_of(test: str, rules: RolloutRules) -> Bar | None:
    """The bar of a test; None where the rules give it no weight, so that it decides nothing."""
    if test == PROOF:
        return Bar(1 / rules.proof_alpha, proves=True)
    weights = rules.weights.weighed.weights
    weight = weights.get(test, 0.0)
    return Bar(sum(weights.values()) / weight / rules.alpha, proves=False) if weight > 0 else None


def bar_told(bar: Bar | None) -> str:
    """Where a test decides, in words."""
    return "decides nothing: its weight is 0" if bar is None else bar.told
