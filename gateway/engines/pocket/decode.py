"""The batch in flight: rows that share a version share a forward pass, and join or leave between steps."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from gateway.engines.pocket.job import Delta, Drawn, Job, Row, Version
from gateway.engines.pocket.schedule import Share


class Lane(Protocol):
    """The rows of one version and what the model remembers of them."""

    rows: list[Row]

    def admit(self, rows: Sequence[Row]) -> list[Drawn]:
        """Read the prompts of new rows, neighbours of one job once, and draw each row's first token."""
        ...

    def step(self) -> list[Drawn]:
        """Draw the next token of every row, in the order of `rows`."""
        ...

    def drop(self, leaving: Collection[Row]) -> None:
        """Forget rows; the others may change places."""
        ...


class Model(Protocol):
    """What the decoder needs of a model."""

    eos: frozenset[int]

    def lane(self, version: Version) -> Lane:
        """An empty lane on a version."""
        ...

    def text(self, tokens: Sequence[int]) -> str:
        """Token ids as text, without special tokens."""
        ...


@dataclass(slots=True)
class Outcome:
    """What one step did: deltas by job, which failed and why, the rows of each forward pass, who joined."""

    deltas: dict[Job, list[Delta]] = field(default_factory=dict)
    failures: dict[Job, Exception] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    joined: list[Job] = field(default_factory=list)


class Decoder:
    """Steps the rows in flight; lives in one thread, knows nothing of callers."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lanes: dict[Version, Lane] = {}

    def step(self, shares: Sequence[Share], gone: Collection[Job]) -> Outcome:
        """Drop the rows of jobs that are gone, admit new ones, and draw one token for every row."""
        outcome = Outcome()
        self._drop(lambda row: row.job in gone)
        for version, rows in self._new_rows(shares):
            lane = self._lanes.setdefault(version, self._model.lane(version))
            self._attempt(lane, rows, partial(lane.admit, rows), outcome)
        for lane in list(self._lanes.values()):
            self._attempt(lane, list(lane.rows), lane.step, outcome)
        self._lanes = {version: lane for version, lane in self._lanes.items() if lane.rows}
        return outcome

    def _drop(self, leaves: Callable[[Row], bool]) -> None:
        for lane in self._lanes.values():
            if leaving := [row for row in lane.rows if leaves(row)]:
                lane.drop(leaving)

    def _new_rows(self, shares: Iterable[Share]) -> list[tuple[Version, list[Row]]]:
        by_version: dict[Version, list[Row]] = {}
        for share in shares:
            first = share.job.started - share.count
            rows = [Row(share.job, first + i, self._model.text, self._model.eos) for i in range(share.count)]
            by_version.setdefault(share.job.version, []).extend(rows)
        return list(by_version.items())

    def _attempt(
        self, lane: Lane, rows: list[Row], draw: Callable[[], list[Drawn]], outcome: Outcome
    ) -> None:
        """One forward pass; if it raises, exactly its rows' jobs fail and their rows are dropped."""
        if not rows:
            return
        outcome.batches.append(len(rows))
        try:
            drawn = draw()
        except Exception as error:  # noqa: BLE001 - delivered to every caller in this batch
            failed = {row.job for row in rows}
            outcome.failures |= dict.fromkeys(failed, error)
            self._drop(lambda row: row.job in failed)
            return
        finished = []
        for row, token in zip(rows, drawn, strict=True):
            delta = row.take(token)
            outcome.deltas.setdefault(row.job, []).append(delta)
            if delta.finish_reason:
                finished.append(row)
        if finished:
            lane.drop(finished)
