"""Figures beside those of a saved report: what has become worse than its interval allows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LESS_IS_BETTER = frozenset({"flagged_harmless", "calibration_error"})


@dataclass(frozen=True, slots=True)
class Shift:
    """One figure then and now; worse or better where it lies outside of the interval of the saved one."""

    where: tuple[str, ...]  # set, guard, and down to the figure's name
    before: float
    after: float
    worse: bool


def shifts(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Shift]:
    """Every figure of both reports that has moved beyond its interval."""
    then, now = dict(figures(before["sets"])), dict(figures(after["sets"]))
    found = []
    for where, old in then.items():
        if where not in now:
            continue
        value = now[where]["value"]
        less_is_better = where[-1] in LESS_IS_BETTER
        if value < old["low"]:
            found.append(Shift(where, old["value"], value, not less_is_better))
        elif value > old["high"]:
            found.append(Shift(where, old["value"], value, less_is_better))
    return found


def figures(told: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, float]]]:
    """Everything that has a value and an interval; latencies, which are the machine's, have none."""
    if not isinstance(told, dict):
        return
    if {"value", "low", "high"} <= told.keys():
        if told["values"]:
            yield where, told
        return
    for name, each in told.items():
        yield from figures(each, (*where, name))


def gone(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Sets that were measured then, and are not now."""
    return [name for name in before["sets"] if name not in after["sets"]]
