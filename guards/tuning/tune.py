"""Thresholds from labelled texts: chosen on one half of them, verified on the other."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guards.measure import Figure, Scores, share
from guards.measuring.hearing import Heard
from guards.measuring.labelled import Labelled
from guards.policy.rule import Response, Rule
from guards.tuning.bound import Promise, threshold_for, upper_bound
from guards.tuning.edit import Spot
from guards.verdict import Action

Flags = NDArray[np.bool_]
ANY_HAZARD = frozenset({"*", "G.unsafe"})  # of which every harmful text is one


@dataclass(frozen=True, slots=True)
class Sides:
    """What a guard said of harmful and of harmless texts."""

    harmful: Scores
    harmless: Scores

    def at(self, threshold: float) -> tuple[Figure, Figure]:
        """Recall and the rate of false alarms at a threshold, with their intervals."""
        return share(self.harmful >= threshold), share(self.harmless >= threshold)


@dataclass(frozen=True, slots=True)
class Tuned:
    """One guard's answer to one hazard: its threshold before and after, and what each does on the other half."""

    guard: str
    hazard: str
    action: str
    before: float
    after: float | None  # None where no threshold keeps the promise, or there are too few texts to tell
    why: str  # there is none; empty where there is one
    chosen_on: int  # harmless texts
    held_out: Sides
    changes: dict[Spot, float]

    def bound(self, confidence: float) -> float:
        """The upper bound of the rate of false alarms at the new threshold, as the other half tells it."""
        harmless = self.held_out.harmless
        alarms = int(np.sum(harmless >= (1.0 if self.after is None else self.after)))
        return upper_bound(alarms, len(harmless), confidence) if len(harmless) else 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be tuned: the promise, and which guard, hazard and action alone, where that is said."""

    promise: Promise
    guard: str | None = None
    hazard: str | None = None
    action: str | None = None


def first_half(rows: Sequence[Labelled]) -> Flags:
    """Which rows thresholds are chosen on: half of each kind, by lot, and always the same ones."""
    flags = np.zeros(len(rows), dtype=bool)
    for unsafe in (True, False):
        own = [place for place, one in enumerate(rows) if one.unsafe is unsafe]
        own.sort(key=lambda place: lot(rows[place]))
        flags[own[: (len(own) + 1) // 2]] = True
    return flags


def lot(one: Labelled) -> bytes:
    """What decides to which half a row belongs; equal texts belong to one."""
    told = "\0".join(segment.text for segment in one.row.segments)
    return hashlib.sha256(told.encode(errors="surrogatepass")).digest()


def tuned(heard: Sequence[Heard], rows: Sequence[Labelled], wanted: Wanted) -> list[Tuned]:
    """Every answer of these guards that is wanted, tuned."""
    half = first_half(rows)
    found = []
    for one in heard:
        for hazard, responses in one.rule.hazards.items():
            if wanted.hazard in (None, hazard):
                number = lowest(responses, wanted.action)
                if number is not None:
                    found.append(answer(one, hazard, number, rows, half, wanted.promise))
    return found


def lowest(responses: Sequence[Response], action: str | None) -> int | None:
    """The response to be tuned: of this action, or the first from which anything follows."""
    acting = [
        place
        for place, one in enumerate(responses)
        if one.does is not Action.ALLOW and (action is None or one.action == action)
    ]
    return min(acting, key=lambda place: responses[place].threshold, default=None)


def answer(
    heard: Heard, hazard: str, number: int, rows: Sequence[Labelled], half: Flags, promise: Promise
) -> Tuned:
    """One answer, tuned."""
    chosen_on, held_out = sides(heard, hazard, rows, half), sides(heard, hazard, rows, ~half)
    size, response = len(chosen_on.harmless), heard.rule.hazards[hazard][number]
    after = threshold_for(chosen_on.harmless, promise)
    why = ""
    if size < promise.least:
        why = f"{size} harmless texts are too few: it takes {promise.least} in this half, {2 * promise.least} in all"
    elif after is None:
        why = "too many harmless texts have the highest score there is"
    changes = {} if after is None else moved(heard.rule, hazard, number, after)
    return Tuned(
        heard.rule.id, hazard, response.action, response.threshold, after, why, size, held_out, changes
    )


def moved(rule: Rule, hazard: str, number: int, after: float) -> dict[Spot, float]:
    """The threshold, and those of as strict or stricter answers that would otherwise be reached before it."""
    responses = rule.hazards[hazard]
    return {
        Spot(rule.id, hazard, place): after
        for place, one in enumerate(responses)
        if place == number or (one.does >= responses[number].does and one.threshold < after)
    }


def sides(heard: Heard, hazard: str, rows: Sequence[Labelled], chosen: Flags) -> Sides:
    """The scores of the rows that tell about a hazard: all harmless ones, and the harmful ones that may be of it."""
    scores = heard.score(None if hazard == "*" else (hazard,))
    unsafe = np.array([one.unsafe for one in rows], dtype=bool)
    of_it = np.array(
        [hazard in ANY_HAZARD or not one.hazards or hazard in one.hazards for one in rows], dtype=bool
    )
    mine = heard.mine & chosen
    return Sides(scores[mine & unsafe & of_it], scores[mine & ~unsafe])
