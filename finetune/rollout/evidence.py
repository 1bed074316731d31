"""Evidence that may be looked at after every pair: bets against a hypothesis, whose wealth is an e-process. Pure.

Each test bets on what a pair's difference x will be. Where its null holds, the expected wealth never grows, so by
Ville's inequality it ever reaches 1/alpha with a probability of at most alpha, however often anybody looks and
whenever they stop (Ramdas, Grünwald, Vovk, Shafer: Game-theoretic statistics and safe anytime-valid inference,
2023). Wealth is never set back when a rollout's share changes: that would spend alpha again.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

MOST_TRACED = 400  # points of a trace; beyond, every other one is left out


@dataclass(frozen=True, slots=True)
class Bets:
    """What is staked on each pair: shares of the wealth, side by side, since the size of an effect is not known."""

    shares: tuple[float, ...]
    margin: float = 0.0  # how much worse is still no harm: taken off each difference

    def stake(self, difference: float) -> float:
        """The difference as it is bet on: from -1, so that no bet loses more than its stake, to 1."""
        return min(1.0, (difference - self.margin) / (1.0 + self.margin))


@dataclass(frozen=True, slots=True)
class Evidence:
    """The state of one test: wealth of each bet, as a logarithm, and what it has seen."""

    logs: tuple[float, ...]
    pairs: int = 0
    worse: int = 0  # pairs in which the new version did worse
    better: int = 0
    highest: float = 0.0  # of the mean wealth, as a logarithm, over all moments
    trace: tuple[tuple[int, float], ...] = ()  # (pairs, log of the mean wealth), thinned
    every: int = 1  # pairs between two points of the trace

    @property
    def log(self) -> float:
        """The logarithm of the mean wealth: the e-value of this moment."""
        return log_mean(self.logs)

    @property
    def p(self) -> float:
        """An anytime-valid p-value."""
        return min(1.0, math.exp(-self.highest))

    def updated(self, difference: float, bets: Bets) -> "Evidence":
        """What is known after one more pair; a positive difference means that the new version did worse."""
        staked = bets.stake(difference)
        logs = tuple(
            old + math.log1p(share * staked) for old, share in zip(self.logs, bets.shares, strict=True)
        )
        after = replace(
            self,
            logs=logs,
            pairs=self.pairs + 1,
            worse=self.worse + (difference > 0),
            better=self.better + (difference < 0),
        )
        return replace(after, highest=max(self.highest, after.log)).traced()

    def traced(self) -> "Evidence":
        """With a point of the trace where one is due."""
        if self.pairs % self.every:
            return self
        trace = (*self.trace, (self.pairs, round(self.log, 4)))
        if len(trace) <= MOST_TRACED:
            return replace(self, trace=trace)
        return replace(self, trace=trace[1::2], every=2 * self.every)

    def document(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {
            "logs": list(self.logs),
            "pairs": self.pairs,
            "worse": self.worse,
            "better": self.better,
            "highest": self.highest,
            "trace": [list(point) for point in self.trace],
            "every": self.every,
        }


def fresh(bets: Bets) -> Evidence:
    """Before any pair."""
    return Evidence((0.0,) * len(bets.shares))


def read_evidence(told: Mapping[str, Any]) -> Evidence:
    """What the ledger kept."""
    return Evidence(
        logs=tuple(told["logs"]),
        pairs=told["pairs"],
        worse=told["worse"],
        better=told["better"],
        highest=told["highest"],
        trace=tuple((pairs, log) for pairs, log in told["trace"]),
        every=told["every"],
    )


def log_mean(logs: Sequence[float]) -> float:
    """The logarithm of the mean of what these are the logarithms of."""
    highest = max(logs)
    return highest + math.log(sum(math.exp(each - highest) for each in logs) / len(logs))


@dataclass(frozen=True, slots=True)
class Weighed:
    """Tests that share one alpha: their weighted mean is an e-process too, however they depend on each other."""

    weights: Mapping[str, float] = field(default_factory=dict)

    def log(self, found: Mapping[str, Evidence]) -> float:
        """The logarithm of the weighted mean; a test that has seen nothing stands at 1."""
        whole = sum(self.weights.values())
        logs = [
            math.log(weight / whole) + (found[name].log if name in found else 0.0)
            for name, weight in self.weights.items()
            if weight > 0
        ]
        highest = max(logs)
        return highest + math.log(sum(math.exp(each - highest) for each in logs))

    def guilty(self, found: Mapping[str, Evidence]) -> str:
        """The test that brought most of the weighted mean."""
        return max(
            found, key=lambda name: found[name].log + math.log(max(self.weights.get(name, 0.0), 1e-300))
        )
