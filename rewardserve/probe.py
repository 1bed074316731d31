"""A frozen set of answers, scored again and again: what moves is then the scorer and not the traffic.

Deviations are in standard deviations of what was recorded, so that one tolerance serves models of any scale. A model
that tells its parts is compared by these: an ensemble's own score moves with its references, and its members' must not.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from statistics import pstdev
from typing import Any

from rewardserve.errors import ModelUnusable, ScoringFailed
from rewardserve.reward import Reward
from rewardserve.scorer import Measured, Message, Scorer

FORM = "trimtab.reward-probe.1"
TOLERANCE = 0.05  # deviations; float32 repeats itself to 1e-5 of one, bfloat16 in other batches to about 0.01

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Probe:
    """A conversation and answers to it."""

    id: str
    messages: tuple[Message, ...]
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a model gave to probes: for each candidate, its values by name."""

    model: str
    probes: tuple[Probe, ...]
    values: tuple[tuple[Values, ...], ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """The largest deviation from what was recorded, and where it is."""

    largest: float  # in standard deviations of that value over all probes
    where: str
    candidates: int

    def within(self, tolerance: float) -> bool:
        """Whether the scorer is what it was."""
        return self.largest <= tolerance


def own_probes() -> list[Probe]:
    """The probes that come with the project."""
    return probes_of((files("rewardserve") / "probes.jsonl").read_text("utf-8"), "probes.jsonl")


def probes_of(text: str, name: str) -> list[Probe]:
    """The probes of JSON lines; raises ModelUnusable naming the line."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            found.append(probe_of(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelUnusable(f"{name}, line {number}: {type(error).__name__}: {error}") from error
    if not found:
        raise ModelUnusable(f"{name} holds no probes")
    return found


def probe_of(row: Any) -> Probe:
    """The probe of a row."""
    messages = tuple(Message(str(turn["role"]), str(turn["content"])) for turn in row["messages"])
    if not messages or not row["candidates"]:
        raise ValueError("a probe wants messages and candidates")
    return Probe(str(row["id"]), messages, tuple(map(str, row["candidates"])))


def record(scorer: Scorer[Measured], probes: Sequence[Probe]) -> Recorded:
    """What the scorer gives now; raises ScoringError."""
    values = tuple(
        values_of(scorer.score(scorer.prepare(probe.messages, probe.candidates))) for probe in probes
    )
    return Recorded(scorer.card.name, tuple(probes), values)


def values_of(rewards: Sequence[float]) -> tuple[Values, ...]:
    """Each reward's parts, or the reward itself where it has none; raises ScoringFailed for what is no number."""
    if not all(map(math.isfinite, rewards)):
        raise ScoringFailed("a probe's reward is not a number")
    return tuple(
        dict(one.heads) if isinstance(one, Reward) and one.heads else {"reward": float(one)}
        for one in rewards
    )


def drift(recorded: Recorded, now: Sequence[Sequence[Values]]) -> Drift:
    """How far the values are from what was recorded; one that has gone is infinitely far."""
    units = units_of(recorded)
    largest, where, count = 0.0, "", 0
    for probe, before, after in zip(recorded.probes, recorded.values, now, strict=True):
        for place, (then, this) in enumerate(zip(before, after, strict=True)):
            count += 1
            for name, value in then.items():
                far = abs(this[name] - value) / units[name] if name in this else math.inf
                if far > largest:
                    largest, where = far, f"{probe.id}, candidates[{place}], {name}"
    return Drift(largest, where, count)


def units_of(recorded: Recorded) -> dict[str, float]:
    """The standard deviation of each value; 1 for one that never varies, such as a number of members."""
    seen: dict[str, list[float]] = {}
    for group in recorded.values:
        for values in group:
            for name, value in values.items():
                seen.setdefault(name, []).append(value)
    return {name: pstdev(values) or 1.0 for name, values in seen.items()}


def document_of(recorded: Recorded) -> dict[str, Any]:
    """A recording as JSON."""
    rows = [
        asdict(probe) | {"values": [dict(values) for values in group]}
        for probe, group in zip(recorded.probes, recorded.values, strict=True)
    ]
    return {"form": FORM, "model": recorded.model, "probes": rows}


def read_recorded(path: Path, model: str) -> Recorded:
    """A recording of this model; raises ModelUnusable."""
    try:
        told: Any = json.loads(path.read_text("utf-8"))
        if told["form"] != FORM:
            raise ValueError(f"not of the form {FORM}")
        probes = tuple(map(probe_of, told["probes"]))
        values = tuple(
            tuple({str(name): float(value) for name, value in one.items()} for one in row["values"])
            for row in told["probes"]
        )
        if any(len(p.candidates) != len(v) for p, v in zip(probes, values, strict=True)):
            raise ValueError("a probe has another number of values than candidates")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnusable(f"probe {path} cannot be used: {type(error).__name__}: {error}") from error
    if told["model"] != model:
        raise ModelUnusable(f"probe {path} was recorded of {told['model']!r}, and this is {model!r}")
    return Recorded(model, probes, values)
