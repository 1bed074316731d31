"""A worker that retrains once and stands still at every step until it is told to go on: `python -m … JSON`.

Training and exams are stood in for, so that a trial takes seconds; the run, its lease, its steps, the registry and
the gateway are real. It tells each step on a line of its own, and waits for a line before it goes on.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from finetune.claims import How, unfinished
from finetune.exams.contract import Examined, ExamPlan
from finetune.pairs.dataset import Dataset
from finetune.pairs.make import MakeRules
from finetune.pairs.sources import PairSource
from finetune.plan import Plan
from finetune.progress import Silence
from finetune.retrain import Outcome, Tools
from finetune.rollout.book import Book
from finetune.rollout.plan import AT_ONCE
from finetune.rollout.registry import GatewayRegistry
from finetune.runs import Worker
from finetune.train.contract import Recipe, Trained
from finetune.watch import Watch
from finetune.worker import work
from gateway.admin.client import AdminClient
from gateway.ledger.database import Database
from tests.bench.loop.killing.adapter import small_adapter
from tests.fakes.retraining import Calls, FakeDrawer, FakeExaminer, FakeTrainer

EVERY_SECONDS = 1.0


def say(**told: Any) -> None:
    """One line of JSON, and the answer is waited for."""
    print(json.dumps(told), flush=True)  # noqa: T201 - the trial reads it
    sys.stdin.readline()


class Halting(Silence):
    """Stands still as each step begins."""

    def began(self, step: str) -> None:
        say(step=step)


@dataclass
class SmallTrainer:
    """Leaves an adapter that no other trial has, and a line in `trainings`."""

    inner: FakeTrainer
    nonce: int
    trainings: Path

    async def train(self, dataset: Dataset, recipe: Recipe, last: Path | None = None) -> Trained:
        trained = await self.inner.train(dataset, recipe, last)
        adapter = small_adapter(trained.adapter.with_name(f"adapter-{self.nonce}"), self.nonce)
        with self.trainings.open("a") as log:
            log.write(f"{self.nonce}\n")
        return replace(trained, adapter=adapter, digest=f"{self.nonce:012d}{trained.digest}")


@dataclass
class LowBefore:
    """Finds whatever was live before this trial unsafe, and what this trial trained safe."""

    inner: FakeExaminer
    nonce: int

    def by_exam(self, plan: ExamPlan) -> dict[str, tuple[str, ...]]:
        return {}

    async def examine(self, adapter: Path | None, plan: ExamPlan) -> Examined:
        ours = adapter is not None and adapter.name == f"adapter-{self.nonce}"
        return await self.inner.examine(adapter if ours else None, plan)


async def main(told: dict[str, Any]) -> None:
    """Look as a watch does until the run has ended."""
    folder, worker = Path(told["folder"]), Worker(told["worker"], told["lease"])
    calls = Calls()
    trainer = SmallTrainer(FakeTrainer(calls, folder / "adapters"), told["nonce"], folder / "trainings")
    plan = Plan(datasets=folder / "datasets", fewest_pairs=5, make=MakeRules(margin_sd=0.5), rollout=AT_ONCE)
    outcomes: list[Outcome] = []
    async with (
        Database(told["database"]) as database,
        AdminClient(told["admin_url"], told["admin_key"]) as admin,
    ):
        tools = Tools(
            PairSource(database, patience_seconds=told["patience"]),
            FakeDrawer(calls, folder),
            trainer,
            LowBefore(FakeExaminer(calls, folder / "exams"), told["nonce"]),
            GatewayRegistry(admin, patience_seconds=told["patience"]),
            Book(database, worker),
        )

        async def run(how: How) -> Outcome:
            outcomes.append(await work(database, worker, plan, tools, Halting(), how))
            return outcomes[-1]

        async def left() -> bool:
            async with database.read() as connection:
                return await unfinished(connection, plan.alias) is not None

        async def many() -> int:
            return 1_000_000

        watch = Watch(EVERY_SECONDS, 1, many, left, run)
        for _ in range(40):
            await watch.look()
            if outcomes:
                break
            await asyncio.sleep(EVERY_SECONDS)
    ended = outcomes[-1] if outcomes else None
    say(ended=None if ended is None else asdict(ended))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
