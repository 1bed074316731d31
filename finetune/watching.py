"""The watch with all its parts: schedule, rollouts, what was erased, and whoever wants to hear of it."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from finetune.beforehand import too_small
from finetune.claims import How, latest, unfinished
from finetune.commands import look, retrain_with, worth_training
from finetune.ending import ending_told, told_of
from finetune.ledger import ledger
from finetune.lines import Lines
from finetune.metrics import metered
from finetune.noticed import alarm_of, note_alarm, note_in_vain
from finetune.notify import Notifier, telling
from finetune.pairs.leftovers import sweep
from finetune.patience import while_away
from finetune.progress import Progress
from finetune.retrain import Outcome
from finetune.rollout.book import Book
from finetune.rollout.looking import Looking
from finetune.rollout.mover import Mover
from finetune.runs import this_worker
from finetune.schedule import WatchRules, due, held_back, next_time, psi
from finetune.settings import Situation
from finetune.spending import rewards_of, spent
from finetune.watch import Watch
from finetune.wiring import registry_of
from gateway.admin.client import AdminClient
from gateway.ledger.database import Database

ROLLOUTS_SECONDS = 10.0  # between two looks at rollouts, at most
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watching:
    """What a watch asks at each look."""

    situation: Situation
    rules: WatchRules
    database: Database
    notifier: Notifier
    mover: Mover | None
    started: datetime
    progress: Progress = field(default_factory=lambda: Lines(log.info))

    @property
    def alias(self) -> str:
        """Whose policy model is retrained."""
        return self.situation.gateway.alias

    async def left_behind(self) -> bool:
        """Whether a run was left unfinished."""
        async with self.database.read() as connection:
            return await unfinished(connection, self.alias) is not None

    async def failed_before(self) -> bool:
        """Whether the last run failed: then it is tried again, for a restart may have mended the cause."""
        async with self.database.read() as connection:
            last = await latest(connection, self.alias)
        return last is not None and last.state == "failed"

    async def pending(self) -> int:
        """New pairs that are worth a training."""
        return worth_training(await look(self.situation, self.database), self.situation.plan.fewest_pairs)

    async def held(self) -> str | None:
        """Why no run may begin now."""
        now = datetime.now(UTC)
        waiting = held_back(self.rules, await spent(self.database, self.alias, now), now)
        return waiting.told if waiting else await Book(self.database, this_worker(1.0)).under_way(self.alias)

    async def called(self) -> str | None:
        """Why a run should begin, beyond the number of new pairs."""
        now = datetime.now(UTC)
        used = await spent(self.database, self.alias, now)
        if due(self.rules, used, self.started, now):
            return f"the schedule {self.rules.cron!r}"
        return await self.drift(used.last_began)

    async def drift(self, last_began: datetime | None) -> str | None:
        """Whether rewards in traffic have moved away from where they lay, and no run has begun for it yet.

        A drift lasts, and what a run learns may not mend it: of each version webhooks hear once, and one run begins.
        """
        if self.rules.drift_psi <= 0:
            return None
        found = await rewards_of(self.database, self.alias)
        if not found.enough or (value := psi(found.first, found.latest)) < self.rules.drift_psi:
            return None
        why = f"rewards drifted: stability index {value:.2f}, alarm at {self.rules.drift_psi:g}"
        async with self.database.read() as connection:
            told = await alarm_of(connection, self.alias, found.version)
        if told is None:
            async with self.database.write() as connection:
                await note_alarm(connection, self.alias, found.version, value, why)
            self.notifier.tell("drift", f"{self.alias}: {why}", alias=self.alias, psi=value)
        return None if told is not None and last_began is not None and last_began > told else why

    async def in_vain(self) -> None:
        """A time of the schedule that found nothing new has been; not where no run might have begun anyway."""
        now = datetime.now(UTC)
        come = due(self.rules, await spent(self.database, self.alias, now), self.started, now)
        if come and await self.held() is None:
            async with self.database.write() as connection:
                await note_in_vain(connection, self.alias, self.rules.cron)

    async def chores(self) -> None:
        """What is done at every look: files of what was erased go, and what is left of what nobody goes on with."""
        for each in await sweep(self.database, self.situation.home):
            log.info("%s is gone: it held something erased, or nothing needs it any more", each)

    async def move(self) -> None:
        """Move rollouts on, where there is a key for that."""
        if self.mover is not None:
            await self.mover.look()

    async def run(self, how: How) -> Outcome:
        """One retraining, and its end told."""
        work = retrain_with(self.situation, self.database, self.progress, how)
        outcome = await ending_told(work, self.alias, self.notifier)
        log.info("run %s: %s", outcome.run, told_of(outcome))
        return outcome

    async def explained(self) -> list[str]:
        """What it would do now, and why."""
        now = datetime.now(UTC)
        used = await spent(self.database, self.alias, now)
        held, moment = await self.held(), next_time(self.rules, now)
        left, new = await self.left_behind(), await self.pending()
        enough = 0 < self.rules.min_new_pairs <= new
        come = new > 0 and due(self.rules, used, self.started, now)
        lines = [
            f"alias {self.alias}",
            f"unfinished run: {'yes, it would be gone on with' if left else 'none'}",
            f"new pairs: {new}, a run begins at {self.rules.min_new_pairs or 'no number of them'}",
        ]
        lines.append(f"next scheduled: {moment:%Y-%m-%d %H:%M %Z}" if moment else "no schedule")
        lines.append(f"held back: {held}" if held else "nothing holds a run back")
        lines.append(
            f"used: {used.runs_today} runs within a day, {used.training_hours:.2f} hours of training within a week"
        )
        begins = left or ((enough or come) and not held)
        lines.append("now: it would begin" if begins else "now: it would wait")
        plan = self.situation.plan
        small = None if left else too_small(plan.exam, plan.bars.fewest_prompts)
        return [*lines, f"it would be refused: {small}"] if small else lines


@asynccontextmanager
async def watching(situation: Situation, rules: WatchRules) -> AsyncIterator[Watching]:
    """The real parts; without an admin key, rollouts are not moved."""
    hooks = situation.settings.webhooks
    # a worker may be there before its gateway
    async with telling(hooks) as notifier, ledger(situation, new=True) as database:
        if situation.admin_key is None:
            yield Watching(situation, rules, database, notifier, None, datetime.now(UTC))
            return
        async with AdminClient(situation.admin_url, situation.admin_key) as admin:
            book = Book(database, this_worker(situation.settings.lease_seconds))
            mover = Mover(book, registry_of(situation, admin), notifier)
            yield Watching(situation, rules, database, notifier, mover, datetime.now(UTC))


async def watch(
    situation: Situation, every_seconds: float, min_new_pairs: int | None, *, once: bool, explain: bool
) -> None:
    """Look for ever, once, or only say what would be done."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(message)s")
    logging.getLogger("finetune").setLevel(logging.INFO)
    rules = situation.settings.watch
    if min_new_pairs is not None:
        rules = replace(rules, min_new_pairs=min_new_pairs)
    async with watching(situation, rules) as parts:
        if explain:
            sys.stdout.write("\n".join(await parts.explained()) + "\n")
            return
        with metered(situation.settings.metrics, parts.alias, parts.progress) as progress:
            await looked(replace(parts, progress=progress), every_seconds, once=once)


async def looked(parts: Watching, every_seconds: float, *, once: bool) -> None:
    """Look for ever, or once."""
    lease = parts.situation.settings.lease_seconds
    looking = Watch(every_seconds, parts.rules.min_new_pairs, parts.pending, parts.left_behind, parts.run)
    looking.failures = int(await while_away(parts.failed_before, lease))
    looking.held, looking.called, looking.chores = parts.held, parts.called, parts.chores
    looking.in_vain = parts.in_vain
    await kept_up(looking, Looking(parts.move, min(every_seconds, ROLLOUTS_SECONDS)), once=once)


async def kept_up(retraining: Watch, rollouts: Looking, *, once: bool) -> None:
    """Look for ever or once, with rollouts looked at beside: a training takes hours, and no alarm waits for it."""
    async with rollouts.beside():
        if once:
            await retraining.look()
            return
        log.info("looking every %g s; ctrl-C or SIGTERM stops", retraining.every_seconds)
        try:
            await retraining.forever()
        except asyncio.CancelledError:
            log.info("stopped; a run that was under way is gone on with at the next start")
