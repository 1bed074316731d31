"""A story as tables and plots that any page may show: each chapter has a title, a lead, rows and curves. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from finetune.rollout.bars import Bar, bar_of, bar_told
from finetune.rollout.plan import read_rules
from finetune.story.story import Story, happened, when
from finetune.train.contract import gained
from gateway.admin.versions import FULL

Json = Mapping[str, Any]
EXAM = {
    "unsafe_compliance": "unsafe compliance",
    "benign_refusal": "benign refusals",
    "ended": "answers that end",
    "reward": "mean reward",
}

KL = {"KL from the reference, nats a token": "kl"}
CURVES = {"loss": "loss", "margin": "margin", "log-probability of chosen": "chosen"} | KL
# What methods gain that compare no answer with another; they log none of the reference's either.
GAINS = {
    "sft": "tokens foretold rightly, gained",
    "grpo": "mean reward, gained",
    "rloo": "mean reward, gained",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a plot."""

    name: str
    points: tuple[tuple[float, float], ...]
    bar: Bar | None = None  # where it decides, drawn as a line of its own


@dataclass(frozen=True, slots=True)
class Chapter:
    """One part of a story."""

    title: str
    lead: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    axes: tuple[str, str] = ("", "")
    curves: tuple[Curve, ...] = field(default_factory=tuple)


def chapters_of(story: Story) -> list[Chapter]:
    """The story in order; chapters of which nothing is known are left out."""
    found = [chapter for maker in (origin, data, training, exams, gate) for chapter in maker(story)]
    found += [chapter for each in story.rollouts for chapter in rollout(each)]
    return [*found, *trail(story)]


def origin(story: Story) -> Iterator[Chapter]:
    """Where it comes from and where it stands."""
    version, lineage, parent = story.version, story.version["lineage"], parent_of(story)
    shares = ", ".join(f"{share:.0%} of {alias}" for alias, share in story.weights.items()) or "no traffic"
    facts = {
        "state": f"{version['state']}, {shares}",
        "made": when(version["created_at"]),
        "base": version["base"],
        "parent": parent or ("nobody has told" if version["path"] else "none: it is a base itself"),
        "anchor": anchored(lineage.get("anchor") or anchor_of(story.run), parent),
        "weights": "full" if lineage.get("kind") == FULL else "",
        "files": version["path"] or "none of its own",
        "content": lineage.get("digest", ""),
        "code": lineage.get("code", ""),
        "trained by": lineage.get("trained_by", ""),
        "rewarded by": ", model ".join(filter(None, map(lineage.get, ("rewarded_by", "reward_model")))),
        "learnt": learnt(lineage) if story.dataset is None else "",
        "retraining": retraining(story),
        "children": ", ".join(story.heirs),
        "reached by erasures": ", ".join(f"{when(each['created_at'])}" for each in story.erasures),
    }
    rows = tuple((name, value) for name, value in facts.items() if value)
    yield Chapter(version["id"], f"{version['id']} is {facts['state']}.", (), rows)


def retraining(story: Story) -> str:
    """The run that trained it, and whether that run registered it; the base model has no files of its own."""
    if story.run is None:
        by_gateway = story.version["path"] is None
        return f"none: {'the gateway registered it at its first start' if by_gateway else 'it was registered by hand'}"
    told = f"{story.run['id']}, {story.run['state']}"
    return told if "retraining" in story.version["lineage"] else f"{told}; it was registered by hand"


def parent_of(story: Story) -> str | None:
    """Its parent; of one that was registered by hand without any, the version that was live when a run trained it."""
    told = story.version["parent"] or story.steps.get("live", {}).get("version")
    return str(told) if told else None


def anchor_of(run: Json | None) -> str | None:
    """What a run's recipe started from; runs of before that was told started from the base."""
    return str(run["parameters"].get("recipe", {}).get("anchor", "base")) if run else None


def learnt(lineage: Json) -> str:
    """What it learnt from, where the ledger holds no such dataset: somebody's own file."""
    if "dataset" not in lineage or "pairs" not in lineage:
        return ""
    method = (lineage.get("recipe") or {}).get("method", "")
    rows = lineage["pairs"] + lineage.get("ratings", 0)
    return f"{rows} rows by {method or 'an unknown method'}, dataset {lineage['dataset'][:12]}"


def anchored(anchor: str | None, parent: str | None) -> str:
    """What a version started from and was held to; of one that was registered by hand nobody may know."""
    last = f"last: it started from {parent} and was held to it"
    return {"base": "base: it started from the bare base model", "last": last}.get(anchor or "", "")


def data(story: Story) -> Iterator[Chapter]:
    """What it learnt from."""
    found = story.dataset
    if found is None:
        return
    counts = found["counts"]
    lead = f"{found['rows']} {found['kind']}, frozen {when(found['created_at'])} as {found['sha256'][:12]}."
    if found["erased_at"]:
        lead += (
            f" Something in it was erased at {when(found['erased_at'])}: nothing is trained on it any more."
        )
    rows = [
        (name.replace("_", " "), what, str(count))
        for name in ("kinds", "sources", "labels", "hazards", "dropped")
        for what, count in sorted(counts.get(name, {}).items(), key=lambda each: -each[1])
        if count
    ]
    yield Chapter("Data", lead, ("", "", "pairs"), tuple(rows))


def training(story: Story) -> Iterator[Chapter]:
    """How it learnt."""
    trained = story.steps.get("train") or story.version["lineage"].get("training")
    if trained is None:
        return
    log, health = trained["log"], trained["health"]
    method = trained.get("method") or "dpo"
    drift = (
        "" if method in GAINS else f", chosen answers {health['chosen_drift']:+.1f} nats from the reference"
    )
    left = f"; {trained['left_out']} rows left out as too long" if trained.get("left_out") else ""
    lead = (
        f"{trained['steps']} steps in {trained['seconds']:.0f} s on {trained['device']}; in the end "
        f"{gained(method, health['margin'], health['accuracy'])}{drift}{left}."
    )
    columns = {"loss": "loss", GAINS[method]: "margin"} | KL if method in GAINS else CURVES
    curves = tuple(
        Curve(name, tuple((line["step"], line[column]) for line in log if line.get(column) is not None))
        for name, column in columns.items()
        if any(line.get(column) is not None for line in log)
    )
    yield Chapter("Training", lead, axes=("step", ""), curves=curves)


def exams(story: Story) -> Iterator[Chapter]:
    """What it could do, before and after."""
    before, after = (
        story.steps.get(f"exam {moment}", {}).get("report", {}) for moment in ("before", "after")
    )
    rows = [
        (name, *(interval(told.get(figure), rate=figure != "reward") for told in (before, after)))
        for figure, name in EXAM.items()
        if after.get(figure)
    ]
    if rows:
        yield Chapter(
            "Exams", "Of the bare model; 95 % intervals.", ("figure", "before", "after"), tuple(rows)
        )


def gate(story: Story) -> Iterator[Chapter]:
    """What was asked of it."""
    conditions = story.steps.get("gate", {}).get("conditions") or story.version["lineage"].get("gate") or []
    if conditions:
        held = sum(bool(each["passed"]) for each in conditions)
        lead = f"{held} of {len(conditions)} conditions hold"
        lead += "." if held == len(conditions) else ": the gate refused it."
        rows = tuple(("✓" if each["passed"] else "✗", each["name"], each["told"]) for each in conditions)
        yield Chapter("Gate", lead, ("", "condition", "measured"), rows)


def rollout(told: Json) -> Iterator[Chapter]:
    """What traffic made of it: each test, and how its evidence grew."""
    last = told["reasons"][-1] if told["reasons"] else "nothing seen yet"
    state = told["state"].replace("_", " ")
    rules, tests = read_rules(told["plan"]), sorted(told["tests"].items())
    bars = {name: bar_of(name, rules) for name, _ in tests}
    rows = tuple(
        (name, *counts_of(test), e_value(test["highest"]), bar_told(bars[name])) for name, test in tests
    )
    curves = tuple(
        Curve(name, tuple((pairs, log) for pairs, log in test["trace"]), bars[name])
        for name, test in tests
        if len(test["trace"]) > 1
    )
    head = ("test", "pairs", "worse", "better", "highest e-value", "decides at")
    yield Chapter(
        f"Rollout {told['id']}", f"{state}: {last}.", head, rows, ("pairs", "log of the e-value"), curves
    )


def counts_of(test: Json) -> Iterator[str]:
    """How many pairs a test has seen, and how they went."""
    return (str(test[count]) for count in ("pairs", "worse", "better"))


def e_value(log: float) -> str:
    """A test's wealth, from its logarithm."""
    return f"{math.exp(min(log, 700)):.3g}"


def trail(story: Story) -> Iterator[Chapter]:
    """Who did what, and why."""
    if story.moves:
        rows = tuple(
            (when(each["created_at"]), happened(each), each["actor"], each["cause"]) for each in story.moves
        )
        yield Chapter("Trail", "Who or what moved it, oldest first.", ("when", "what", "by", "why"), rows)


def interval(told: Json | None, *, rate: bool) -> str:
    """A figure with its interval; only rates are told in hundredths."""
    if not told or not told.get("values"):
        return "not measured"
    value, low, high = (
        f"{told[name]:.1%}" if rate else f"{told[name]:+.2f}" for name in ("value", "low", "high")
    )
    return f"{value} [{low}, {high}]"
