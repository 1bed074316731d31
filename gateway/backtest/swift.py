"""A first look at a screening's evidence: whether a policy finds nothing there, which is so for most.

It says yes only where that is sure: every guard that the policy wants has spoken, and no score comes near a threshold
or a band. All else goes to `guards.hindsight`, which decides as a screen does.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.backtest.past import segments_of
from guards.hindsight.decide import Decider
from guards.policy.rule import Rule, Unsure
from guards.verdict import Action, Where

Panels = Mapping[str, Mapping[str, str]]
Evidence = Mapping[str, Any]
Key = tuple[Any, ...]


class Bar(NamedTuple):
    """The least scores at which anything may follow from a guard's verdict."""

    place: int  # of its verdict in the screening
    named: tuple[tuple[str, float], ...]
    any_score: float  # of a hazard that is not named; more than 1 where none counts
    unsure: Unsure | None


class Swift:
    """One policy's first look."""

    def __init__(self, decider: Decider, panels: Panels) -> None:
        self._decider = decider
        self._panels = panels
        self._known: dict[Key, tuple[Bar, ...] | None] = {}  # as many as there are shapes of evidence

    def passes(self, said: Evidence, where: Where) -> bool:
        """Whether the policy surely finds nothing; False is no answer."""
        if not said["s"] or "u" in said or said.get("f"):
            return False
        verdicts = said["v"]
        ages = said.get("t", ())
        key = (where, said["g"], *said["s"], *ages, *said["n"], *said["b"], *[each[0] for each in verdicts])
        try:
            bars = self._known[key]
        except KeyError:
            bars = self._known[key] = self._bars(said, where)
        return bars is not None and cleared(verdicts, bars)

    def _bars(self, said: Evidence, where: Where) -> tuple[Bar, ...] | None:
        """The bars of a screening whose verdicts stand like this; None where a guard has not spoken."""
        if sum(said["n"]) != len(said["v"]):
            return None  # whose verdict is whose, nobody knows
        panel, names = self._panels.get(said["g"], {}), said["b"]
        bars: list[Bar] = []
        begin = 0
        for segment, share in zip(segments_of(said, where), said["n"], strict=True):
            heard = {names[said["v"][at][0]]: at for at in range(begin, begin + share)}
            begin += share
            for rule in self._decider.reading(segment):
                if rule.id in self._decider.askers:
                    continue  # it has a say only where another is unsure, and that one's bar tells
                if rule.id not in heard or panel.get(rule.id) != self._decider.fingerprints[rule.id]:
                    return None
                bars.append(bar_of(rule, heard[rule.id]))
        return tuple(bars)


def cleared(verdicts: Sequence[Any], bars: Iterable[Bar]) -> bool:
    """Whether nothing follows from any verdict."""
    for place, named, any_score, unsure in bars:
        verdict = verdicts[place]
        if len(verdict) > 2:
            if reached(verdict[2], named, any_score) or (unsure is not None and not sure(unsure, verdict[2])):
                return False
        elif unsure is not None and unsure.low <= 0:
            return False
    return True


def reached(scores: Mapping[str, float], named: Iterable[tuple[str, float]], any_score: float) -> bool:
    """Whether a score is as high as the least from which something follows."""
    for hazard, least in named:
        if hazard in scores and scores[hazard] >= least:
            return True
    return any_score <= 1 and max(scores.values(), default=0.0) >= any_score


def sure(unsure: Unsure, scores: Mapping[str, float]) -> bool:
    """Whether the scores lie outside of the band."""
    highest = max(scores.values(), default=0.0)
    score = highest if unsure.hazard is None else scores.get(unsure.hazard, 0.0)
    return not unsure.low <= score <= unsure.high


def bar_of(rule: Rule, place: int) -> Bar:
    """The bar for one guard."""
    named = [(hazard, least_of(rule, hazard)) for hazard in rule.hazards if hazard != "*"]
    any_score = least_of(rule, "*") if "*" in rule.hazards else 2.0
    return Bar(place, tuple(each for each in named if each[1] <= 1), any_score, rule.unsure)


def least_of(rule: Rule, hazard: str) -> float:
    """The lowest threshold that has a consequence."""
    return min((one.threshold for one in rule.hazards[hazard] if one.does is not Action.ALLOW), default=2.0)
