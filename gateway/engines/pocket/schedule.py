"""Which waiting requests join the batch at the next step: a decision, and nothing else."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gateway.engines.pocket.job import Job


@dataclass(frozen=True, slots=True)
class Limits:
    """How much runs and waits at once; tokens are padded ones, rows times the longest row."""

    rows: int = 64
    tokens: int = 65_536
    # Prompt tokens read in one step: a long queue must not freeze those who are being answered.
    prefill: int = 1_024
    waiting: int = 256


@dataclass(frozen=True, slots=True)
class Share:
    """`count` choices of a job, from its first one not yet started."""

    job: Job
    count: int


def schedule(waiting: Iterable[Job], running: Collection[Job], limits: Limits) -> list[Share]:
    """The oldest choices that fit, in order of arrival; a job with many may join in parts.

    An over-long request goes alone rather than never.
    """
    shares: list[Share] = []
    rows = sum(job.running for job in running)
    longest = max((job.longest for job in running), default=0)
    widest = 0
    for job in waiting:
        widest = max(widest, len(job.prompt))
        if shares and widest * (len(shares) + 1) > limits.prefill:
            break
        longest = max(longest, job.longest)
        room = min(limits.rows, limits.tokens // longest) - rows
        if room < 1 and rows:
            break
        count = min(job.waiting, max(room, 1))
        shares.append(Share(job, count))
        rows += count
        if count < job.waiting:
            break
    return shares
