"""A trainer, an examiner and a registry that work at once, count their calls, and fail when told to."""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.exams.contract import Examined, ExamPlan
from finetune.exams.marks import write_marks
from finetune.exams.report import Marked, report_of
from finetune.pairs.dataset import Dataset
from finetune.pairs.draw import Drawn, DrawRules
from finetune.pairs.pair import Group
from finetune.rollout.contract import Drained, Flipped, Live, Opened, Registered, Staged
from finetune.rollout.plan import RolloutRules
from finetune.train.contract import Logged, Recipe, Rewarder, Trained, TrainingHealth


def marks(unsafe: float, reward: float) -> list[Marked]:
    """Answers to a hundred prompts of each kind, a share of the harmful ones complied with."""
    harmful = [marked(f"r{i}", "refusable", reward, complied=i < 100 * unsafe) for i in range(100)]
    return harmful + [marked(f"b{i}", "benign", reward + i % 3, complied=True) for i in range(100)]


def marked(name: str, kind: str, reward: float, *, complied: bool) -> Marked:
    """One answer, which is never a refusal."""
    return Marked(name, kind, "text", complied=complied, refused=False, ended=True, length=9, reward=reward)


@dataclass
class Calls:
    """What was called, in order; `before` hears each call first and may raise or kill."""

    made: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda _name: None

    def note(self, name: str) -> None:
        self.made.append(name)
        self.before(name)


@dataclass
class FakeDrawer:
    """Draws nothing, and remembers for which exchanges it was asked to."""

    calls: Calls
    folder: Path
    asked: list[str] = field(default_factory=list)

    async def draw(self, groups: Sequence[Group], rules: DrawRules, live: Live) -> Drawn:
        self.calls.note("draw")
        self.asked += [group.exchange_id for group in groups]
        (self.folder / "drawn.jsonl").touch()
        return Drawn(self.folder / "drawn.jsonl", 0, 0)


@dataclass
class FakeTrainer:
    """Leaves a file that stands for an adapter, named by the dataset; remembers what it was to start from."""

    calls: Calls
    folder: Path
    started_from: list[Path | None] = field(default_factory=list)
    rewarder: Rewarder | None = None
    left_out: int = 0
    meanwhile: Callable[[], Awaitable[None]] | None = None  # what happens elsewhere during a training

    async def train(self, dataset: Dataset, recipe: Recipe, last: Path | None = None) -> Trained:
        self.calls.note("train")
        self.started_from.append(last)
        if self.meanwhile is not None:
            await self.meanwhile()
        adapter = self.folder / f"adapter-{dataset.sha256[:8]}"
        adapter.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(dataset.sha256.encode()).hexdigest()
        health = TrainingHealth(finite=True, margin=1.0, accuracy=0.9, chosen_drift=1.0)
        log = (Logged(1, 0.69, 0.0, 0.5, -30.0, -30.0, 0.0),)
        told = (adapter, digest, 0.1, 1, "cpu", health, (), log)
        return Trained(*told, rewarder=self.rewarder, left_out=self.left_out)


@dataclass
class FakeExaminer:
    """Finds the base model unsafe, and an adapter as safe as told."""

    calls: Calls
    folder: Path
    after: float = 0.1
    meanwhile: Callable[[], Awaitable[None]] | None = None  # what happens elsewhere during an exam
    asked: tuple[str, ...] = ()

    def by_exam(self, plan: ExamPlan) -> dict[str, tuple[str, ...]]:
        return {"main": self.asked}

    async def examine(self, adapter: Path | None, plan: ExamPlan) -> Examined:
        self.calls.note("examine after" if adapter else "examine before")
        if self.meanwhile is not None:
            await self.meanwhile()
        found = marks(self.after, 1.0) if adapter else marks(0.6, 0.0)
        return Examined(write_marks(found, self.folder), report_of(found), "fake judge", "fake reward", 0.1)


@dataclass
class FakeRollouts:
    """Begins rollouts that nobody goes on with."""

    calls: Calls
    busy: str | None = None  # the rollout that the alias is in
    begun: set[str] = field(default_factory=set)

    async def open(self, alias: str, version: str, old: Live, rules: RolloutRules, retraining: str) -> Opened:
        self.calls.note("open")
        self.begun.add(retraining)
        return Opened(f"ro-{retraining}", version)

    async def begun_by(self, retraining: str) -> bool:
        return retraining in self.begun

    async def needed(self, but: str | None = None) -> set[str]:
        return set()

    async def under_way(self, alias: str) -> str | None:
        return self.busy


@dataclass
class FakeRegistry:
    """A gateway of one engine, in memory."""

    calls: Calls
    weights: dict[str, float] = field(default_factory=lambda: {"base": 1.0})
    known: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    adapters: dict[str, Path] = field(default_factory=dict)  # of versions that are no bare base model
    loaded: set[str] = field(default_factory=set)

    async def live(self, alias: str) -> Live:
        self.calls.note("live")
        version = next(iter(self.weights))
        return Live(version, self.adapters.get(version), dict(self.weights))

    async def register(self, version: str, adapter: Path, lineage: Mapping[str, Any]) -> Registered:
        self.calls.note("register")
        self.known[version] = lineage
        return Registered(version)

    async def stage(self, version: str) -> Staged:
        self.calls.note("stage")
        self.loaded.add(version)
        return Staged(version, 0.1, {"engines": ["one"]})

    async def ensure_staged(self, version: str) -> None:
        if version not in self.loaded:
            await self.stage(version)

    async def flip(self, alias: str, version: str, old: Live, evidence: Mapping[str, Any]) -> Flipped:
        self.calls.note("flip")
        before, self.weights = self.weights, {version: 1.0}
        return Flipped(alias, before, self.weights, 0.01)

    async def drain(self, old: Live, new: str, needed: Collection[str] = ()) -> Drained:
        self.calls.note("drain")
        return Drained(old.version, "the base model stays")

    async def discard(self, version: str, needed: Collection[str] = ()) -> Drained:
        self.calls.note("discard")
        self.loaded.discard(version)
        return Drained(version, f"{version} is retired")
