"""What a policy can tell of a screening's evidence, and no more: a score counts by the thresholds that it reaches.

Two screenings with the same sign are decided alike, so that one decision of `guards.hindsight` does for all of them:
in a million exchanges there are some hundreds of signs.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.backtest.past import segments_of
from guards.hindsight.decide import Decider
from guards.policy.rule import Rule, Unsure
from guards.verdict import Action, Where

Evidence = Mapping[str, Any]
Sign = tuple[Any, ...]
Levels = tuple[float, ...]  # thresholds with a consequence, ascending
SHAPES = 10_000  # that are remembered at a time
NEVER = 2.0  # more than any score


class Gauge(NamedTuple):
    """What of a guard's verdict makes a difference."""

    place: int  # of the verdict in the screening
    named: tuple[tuple[str, float], ...]  # hazards, and the least score of each from which something follows
    any_score: float  # the least of a hazard that is not named
    unsure: Unsure | None
    levels: Mapping[str, Levels]  # of the hazards that are named
    others: Levels  # of those that are not
    silence: bool  # whether something follows where the guard has nothing to say


Gauges = tuple[Gauge | None, ...]


def shape_of(said: Evidence, where: Where) -> Sign | None:
    """All that is no score; None for a screening that is like no other: without segments, or with unread parts."""
    if not said["s"] or "u" in said:
        return None
    return (
        *(where, said["g"], *said["s"], *said.get("t", ()), *said["n"], *said["b"]),
        *[each[0] for each in said["v"]],
        *[guard for guard, _ in said.get("f", ())],
    )


class Swift:
    """One policy's look at evidence."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._known: dict[Sign, tuple[int, Gauges]] = {}
        self._shapes = 0

    def sign(self, said: Evidence, where: Where, shape: Sign) -> Sign:
        """The sign of a screening of this shape."""
        known = self._known.get(shape)
        number, gauges = self._remember(shape, said, where) if known is None else known
        marks = [
            mark
            for gauge, verdict in zip(gauges, said["v"], strict=False)
            if gauge is not None
            and (len(verdict) > 2 or gauge.silence)
            and (mark := mark_of(gauge, verdict)) is not None
        ]
        return (number, *marks)

    def _remember(self, shape: Sign, said: Evidence, where: Where) -> tuple[int, Gauges]:
        """A new shape; no number is given twice, so that a sign means the same as long as anybody keeps it."""
        if len(self._known) >= SHAPES:
            self._known.clear()
        self._shapes += 1
        self._known[shape] = self._shapes, self._gauges(said, where)
        return self._known[shape]

    def _gauges(self, said: Evidence, where: Where) -> Gauges:
        """One for each verdict of a screening of this shape; None where the policy does not hear its guard."""
        names, verdicts = said["b"], said["v"]
        if sum(said["n"]) != len(verdicts):
            return ()  # whose verdict is whose, nobody knows: the shape decides
        gauges: list[Gauge | None] = []
        begin = 0
        for segment, share in zip(segments_of(said, where), said["n"], strict=True):
            rules = {rule.id: rule for rule in self._decider.reading(segment)}
            for place in range(begin, begin + share):
                rule = rules.get(names[verdicts[place][0]])
                gauges.append(None if rule is None else gauge_of(rule, place))
            begin += share
        return tuple(gauges)


def mark_of(gauge: Gauge, verdict: Sequence[Any]) -> Sign | None:
    """What of a verdict makes a difference; None where nothing does, as of most."""
    unsure = gauge.unsure
    if len(verdict) < 3:
        return (gauge.place,) if gauge.silence else None
    scores: Mapping[str, float] = verdict[2]
    asks = unsure is not None and in_doubt(unsure, scores)
    if not asks and not is_reached(scores, gauge.named, gauge.any_score):
        return None
    high = NEVER if unsure is None else unsure.high
    reached = [
        (hazard, bisect_right(levels, score), score <= high)
        for hazard, score in scores.items()
        if (levels := gauge.levels.get(hazard, gauge.others)) and score >= levels[0]
    ]
    spans = verdict[3] if len(verdict) > 3 else ()
    return (gauge.place, asks, *reached, frozenset([(span[2], span[0] == span[1]) for span in spans]))


def is_reached(scores: Mapping[str, float], named: Sequence[tuple[str, float]], any_score: float) -> bool:
    """Whether a score is as high as the least from which something follows."""
    for hazard, least in named:
        if hazard in scores and scores[hazard] >= least:
            return True
    return any_score < NEVER and max(scores.values(), default=0.0) >= any_score


def in_doubt(unsure: Unsure, scores: Mapping[str, float]) -> bool:
    """Whether the scores lie within the band."""
    highest = max(scores.values(), default=0.0)
    score = highest if unsure.hazard is None else scores.get(unsure.hazard, 0.0)
    return unsure.low <= score <= unsure.high


def gauge_of(rule: Rule, place: int) -> Gauge:
    """The gauge for one guard."""
    levels = {hazard: levels_of(rule, hazard) for hazard in rule.hazards if hazard != "*"}
    named = tuple((hazard, several[0]) for hazard, several in levels.items() if several)
    others = levels_of(rule, "*") if "*" in rule.hazards else ()
    silence = rule.unsure is not None and rule.unsure.low <= 0
    return Gauge(place, named, others[0] if others else NEVER, rule.unsure, levels, others, silence)


def levels_of(rule: Rule, hazard: str) -> Levels:
    """The thresholds that have a consequence."""
    return tuple(sorted({one.threshold for one in rule.hazards[hazard] if one.does is not Action.ALLOW}))
