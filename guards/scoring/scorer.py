"""Batches of lines through a policy's guards: in this process, or in several beside it, always in their order."""

import asyncio
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from guards.policy.load import load_policy
from guards.scoring.batches import Batch
from guards.scoring.rows import BadRow, Row, read_row
from guards.scoring.told import line_of, told, told_badly
from guards.screen import Screen
from guards.settings import load_services
from guards.side_by_side import in_order

AT_ONCE = 32  # rows before the guards together: those that ask a service wait for it side by side


@dataclass(frozen=True, slots=True)
class Scored:
    """A batch's answers: their lines, and the lines among the batch's that could not be read."""

    output: bytes
    rows: int
    bad: tuple[int, ...] = ()
    complaint: str = ""  # about the first that is bad
    good_before: int = 0  # how many answers stand before it


Score = Callable[[Batch], Scored]


class Scorer:
    """A policy's guards, and the loop that they are asked on."""

    def __init__(self, policy: Path | None, told: Sequence[str] = ()) -> None:
        self._services = load_services(told)
        self.screen = Screen(load_policy(policy, services=self._services))
        self.runner = asyncio.Runner()

    def __call__(self, batch: Batch) -> Scored:
        """What the guards make of each line."""
        return self.runner.run(self.score(batch))

    def close(self) -> None:
        """Ask no more."""
        self.runner.run(self._services.close())
        self.runner.close()

    async def score(self, batch: Batch) -> Scored:
        """The answers in the lines' order."""
        turn = asyncio.Semaphore(AT_ONCE)
        answers: list[bytes | asyncio.Task[bytes]] = []
        bad: list[tuple[int, BadRow, int]] = []
        for number, line in enumerate(batch.lines, batch.first):
            if not line.strip():
                continue
            try:
                row = read_row(line, number)
            except BadRow as error:
                bad.append((number, error, len(answers)))
                answers.append(line_of(told_badly(error, number)))
            else:
                answers.append(asyncio.create_task(self.answered(row, turn)))
        lines = [each if isinstance(each, bytes) else await each for each in answers]
        if not bad:
            return Scored(b"".join(lines), len(lines))
        number, first, before = bad[0]
        complaint = f"line {number}: {first.field}: {first}"
        return Scored(b"".join(lines), len(lines), tuple(each[0] for each in bad), complaint, before)

    async def answered(self, row: Row, turn: asyncio.Semaphore) -> bytes:
        """One row's answer."""
        async with turn:
            screening = await self.screen.screen(row.segments, row.context)
        return line_of(told(row, screening))


@contextmanager
def scored(
    source: Iterable[Batch], policy: Path | None, jobs: int, told: Sequence[str] = ()
) -> Iterator[Iterator[Scored]]:
    """Every batch's answers in order; no more than a few batches are ever held, whatever the source's length."""
    if jobs == 1:
        with closing(Scorer(policy, told)) as scorer:
            yield map(scorer, source)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=begin, initargs=(policy, told)) as pool:
        try:
            yield in_order(source, score_here, pool, jobs)
        finally:
            pool.shutdown(
                cancel_futures=True
            )  # and wait: left to the interpreter's end, it races with itself


HERE: list[Scorer] = []  # the scorer of a process beside: made once, when it begins


def begin(policy: Path | None, told: Sequence[str]) -> None:
    """Prepare a process to score."""
    HERE[:] = [Scorer(policy, told)]


def score_here(batch: Batch) -> Scored:
    """Score a batch in such a process."""
    return HERE[0](batch)
