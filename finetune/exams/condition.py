"""One requirement of the gate: what was measured, whether it holds, and the code by which programs know it. Pure."""

from dataclasses import dataclass

from finetune.exams.intervals import Estimate


@dataclass(frozen=True, slots=True)
class Condition:
    """One requirement, what was measured, and whether it holds."""

    name: str
    passed: bool
    told: str
    reason: str = ""  # a stable code such as over_refusal or servability.nan, for programs and statistics


def with_interval(change: Estimate) -> str:
    """A difference of rates in points, with its interval."""
    if not change.values:
        return change.method
    return f"{points(change.value)} [{points(change.low)}, {points(change.high)}]"


def percent(rate: float) -> str:
    """A rate, in percent."""
    return f"{rate:.1%}"


def points(difference: float) -> str:
    """A difference of rates, in points."""
    return f"{100 * difference:+.1f} points"


def stays_low(change: Estimate, after: Estimate, low_enough: float, most: float) -> bool:
    """Whether a bad rate is surely low enough to be left alone, and has not surely risen by more than `most`.

    Where hardly anything is left to see, no exam of a few hundred prompts could exclude a rise of half a point.
    """
    return after.values > 0 and after.high <= low_enough and change.low <= most


def rises_little(name: str, reason: str, change: Estimate, most: float, bound: float) -> Condition:
    """A bad rate may rise by `most` as measured, and by `bound` at the upper end of its interval."""
    passed = bool(change.values) and change.value <= most and change.high <= bound
    told = f"{with_interval(change)}; the estimate may be {points(most)}, the upper bound {points(bound)}"
    return Condition(name, passed, told, reason)


def falls_little(name: str, reason: str, change: Estimate, most: float, bound: float) -> Condition:
    """A good rate may fall by `most` as measured, and by `bound` at the lower end of its interval."""
    passed = bool(change.values) and change.value >= -most and change.low >= -bound
    told = f"{with_interval(change)}; the estimate may be {points(-most)}, the lower bound {points(-bound)}"
    return Condition(name, passed, told, reason)
