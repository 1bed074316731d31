"""One guard on one set: its figures, by language and hazard too, and what its plots are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guards.measure import Scores, separation, share
from guards.measuring.agreement import bins_of, calibration_error, compared, f1
from guards.measuring.hearing import Heard, percentile
from guards.measuring.labelled import Labelled
from guards.policy.rule import Rule
from guards.verdict import Action

Told = dict[str, Any]
Flags = NDArray[np.bool_]
FEWEST = 10  # texts of a language or hazard for figures of their own


@dataclass(frozen=True, slots=True)
class Card:
    """The figures, and the scores that they come from; the latter are empty where there is nothing to draw."""

    figures: Told
    harmful: Scores
    harmless: Scores
    bins: Sequence[tuple[float, float, int]] = ()


def card_of(heard: Heard, rows: Sequence[Labelled], stand_in: Scores | None = None) -> Card:
    """The card; `stand_in` are scores of harmless texts for a set that has none of its own."""
    mine = heard.mine
    unsafe = np.array([one.unsafe for one in rows], dtype=bool)
    scores, alarms = heard.score(), alarms_of(heard)
    harmful = scores[mine & unsafe]
    harmless = scores[mine & ~unsafe] if stand_in is None else stand_in
    told: Told = {"texts": int(mine.sum()), "failed": heard.failed, "latency_ms": latency(heard)}
    told |= shares(alarms, unsafe, mine)
    speaks = bool(len(harmful) and len(harmless)) and bool(harmful.max() > 0 or harmless.max() > 0)
    if speaks:
        told |= compared(harmful, harmless)
    both = mine & unsafe
    if speaks and stand_in is None and both.any():
        told["f1"] = f1(alarms[mine], unsafe[mine]).told()
        told["calibration_error"] = calibration_error(scores[mine], unsafe[mine]).told()
    told |= parted(heard, rows, alarms)
    if heads := heads_of(heard, rows, unsafe):
        told["heads"] = heads
    if not speaks:
        return Card(told, np.zeros(0), np.zeros(0))
    return Card(told, harmful, harmless, bins_of(scores[mine], unsafe[mine]) if stand_in is None else ())


def alarms_of(heard: Heard) -> Flags:
    """Which rows the policy would do anything about, by this guard's word."""
    alarms = np.zeros(len(heard.mine), dtype=bool)
    for hazard, scores in heard.scores.items():
        alarms |= scores >= least_of(heard.rule, hazard)
    return alarms & heard.mine


def least_of(rule: Rule, hazard: str) -> float:
    """The lowest threshold from which anything follows."""
    acting = [one.threshold for one in rule.responses(hazard) if one.does is not Action.ALLOW]
    return min(acting, default=2.0)


def shares(alarms: Flags, unsafe: Flags, mine: Flags) -> Told:
    """The share of each kind that raises an alarm."""
    told: Told = {}
    for word, own in (("flagged_harmful", mine & unsafe), ("flagged_harmless", mine & ~unsafe)):
        if own.any():
            told[word] = share(alarms[own]).told()
    return told


def parted(heard: Heard, rows: Sequence[Labelled], alarms: Flags) -> Told:
    """The same shares by language, and by hazard, where the set tells them."""
    told: Told = {}
    unsafe = np.array([one.unsafe for one in rows], dtype=bool)
    by: Mapping[str, list[tuple[str, ...]]] = {
        "languages": [(one.language,) if one.language else () for one in rows],
        "hazards": [one.hazards for one in rows],
    }
    for word, named in by.items():
        parts = {}
        for name in sorted({each for several in named for each in several}):
            own = heard.mine & np.array([name in several for several in named], dtype=bool)
            if own.sum() >= FEWEST:
                parts[name] = shares(alarms, unsafe, own)
        if parts:
            told[word] = parts
    return told


def heads_of(heard: Heard, rows: Sequence[Labelled], unsafe: Flags) -> Told:
    """How well each hazard's own probability tells texts of it from all others of the set."""
    told: Told = {}
    for hazard, scores in sorted(heard.scores.items()):
        of_it = heard.mine & unsafe & np.array([hazard in one.hazards for one in rows], dtype=bool)
        rest = heard.mine & ~of_it
        if of_it.sum() >= FEWEST and rest.sum() >= FEWEST:
            told[hazard] = {"auroc": separation(scores[of_it], scores[rest]).told()}
    return told


def latency(heard: Heard) -> Told:
    """Milliseconds for a row, on the machine that measured."""
    return {f"p{share:g}": round(percentile(heard.seconds, share / 100) * 1000, 4) for share in (50, 99)}
