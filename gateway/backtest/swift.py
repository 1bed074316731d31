"""A first look at a screening's evidence: whether a policy finds nothing there, which is so for most.

It says yes only where that is sure: every guard that the policy wants has spoken, and no score comes near a threshold
or a band. All else goes to `guards.hindsight`, which decides as a screen does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guards.hearing import covers
from guards.hindsight.decide import Decider
from guards.policy.document import Rule, Unsure
from guards.verdict import Action, Segment, Where

Panels = Mapping[str, Mapping[str, str]]
Evidence = Mapping[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """The least scores at which anything may follow from a guard's verdict."""

    place: int  # of its verdict among the segment's
    named: tuple[tuple[str, float], ...]
    any_score: float  # of a hazard that is not named; more than 1 where none counts
    unsure: Unsure | None

    def cleared(self, said: Sequence[Any]) -> bool:
        """Whether nothing follows from what the guard said."""
        if len(said) < 3:
            return self.unsure is None or self.unsure.low > 0
        scores: Mapping[str, float] = said[2]
        for hazard, least in self.named:
            if scores.get(hazard, 0.0) >= least:
                return False
        if self.any_score <= 1 and max(scores.values(), default=0.0) >= self.any_score:
            return False
        return self.unsure is None or self._sure(self.unsure, scores)

    def _sure(self, unsure: Unsure, scores: Mapping[str, float]) -> bool:
        highest = max(scores.values(), default=0.0)
        score = highest if unsure.hazard is None else scores.get(unsure.hazard, 0.0)
        return not unsure.low <= score <= unsure.high


class Swift:
    """One policy's first look."""

    def __init__(self, decider: Decider, panels: Panels) -> None:
        self._decider = decider
        self._panels = panels
        self._known: dict[Key, tuple[Bar, ...] | None] = {}  # as many as there are shapes of evidence

    def passes(self, said: Evidence, where: Where) -> bool:
        """Whether the policy surely finds nothing; False is no answer."""
        if said.get("f") or said.get("u"):
            return False
        names, verdicts = tuple(said["b"]), said["v"]
        begin = 0
        for part, share in zip(said["s"], said["n"], strict=True):
            own = verdicts[begin : begin + share]
            begin += share
            key = (said["g"], where, part, names, *[each[0] for each in own])
            if key not in self._known:
                self._known[key] = self._bars(key)
            bars = self._known[key]
            if bars is None or not all(bar.cleared(own[bar.place]) for bar in bars):
                return False
        return begin == len(verdicts)

    def _bars(self, key: Key) -> tuple[Bar, ...] | None:
        """The bars of a segment whose verdicts stand like this; None where a guard has not spoken."""
        panel_id, where, part, names, *order = key
        panel, heard = self._panels.get(panel_id, {}), {names[each]: at for at, each in enumerate(order)}
        bars = []
        for rule in self._decider.rules:
            if rule.id in self._decider.askers or not covers(rule, Segment("", where, part)):
                continue
            if rule.id not in heard or panel.get(rule.id) != self._decider.fingerprints[rule.id]:
                return None
            bars.append(bar_of(rule, heard[rule.id]))
        return tuple(bars)


def bar_of(rule: Rule, place: int) -> Bar:
    """The bar for one guard."""
    named = [(hazard, least_of(rule, hazard)) for hazard in rule.hazards if hazard != "*"]
    any_score = least_of(rule, "*") if "*" in rule.hazards else 2.0
    return Bar(place, tuple(each for each in named if each[1] <= 1), any_score, rule.unsure)


def least_of(rule: Rule, hazard: str) -> float:
    """The lowest threshold that has a consequence."""
    return min((one.threshold for one in rule.hazards[hazard] if one.does is not Action.ALLOW), default=2.0)
