"""Jobs that wait and jobs that run, on one model: every step decides who joins, decodes, and accounts.

It belongs to one thread; whoever talks to it from another sends messages (batcher.py).
"""

from collections import deque
from collections.abc import Collection

from gateway.engines.pocket.decode import Decoder, Model, Outcome
from gateway.engines.pocket.job import Job
from gateway.engines.pocket.schedule import Limits, schedule


class InFlight:
    """Every job that was added and is not yet answered in full."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self._decoder = Decoder(model)
        self._limits = limits
        self.waiting: deque[Job] = deque()
        self.running: list[Job] = []
        self._gone: list[Job] = []

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.running or self._gone)

    @property
    def usage(self) -> float:
        """The part of the token budget that running rows may grow to."""
        return sum(job.running for job in self.running) * self._longest() / self._limits.tokens

    def _longest(self) -> int:
        return max((job.longest for job in self.running), default=0)

    def add(self, job: Job) -> None:
        """Queue a job; it joins the batch when there is room."""
        self.waiting.append(job)

    def leave(self, job: Job) -> None:
        """Its caller reads no more; its rows are dropped at the next step."""
        self._forget({job})
        self._gone.append(job)

    def step(self) -> Outcome:
        """Admit who fits, draw one token for every row, and account for those who are done."""
        shares = schedule(self.waiting, self.running, self._limits)
        joined = [share.job for share in shares if not share.job.started]
        for share in shares:
            share.job.started += share.count
        self.running += [share.job for share in shares if share.job not in self.running]
        self.waiting = deque(job for job in self.waiting if job.waiting)
        gone, self._gone = self._gone, []
        outcome = self._decoder.step(shares, gone)
        outcome.joined = joined
        self._account(outcome)
        return outcome

    def _account(self, outcome: Outcome) -> None:
        for job, deltas in outcome.deltas.items():
            job.finished += sum(delta.finish_reason is not None for delta in deltas)
        if outcome.failures:
            self._forget(outcome.failures.keys())
        self.running = [job for job in self.running if job.running]

    def _forget(self, jobs: Collection[Job]) -> None:
        self.waiting = deque(job for job in self.waiting if job not in jobs)
        self.running = [job for job in self.running if job not in jobs]
