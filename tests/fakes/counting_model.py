"""A model without weights: each row says `0 1 2 …` and can be made to fail, to wait, or to be watched."""

import threading
from collections.abc import Collection, Sequence

from gateway.engines.pocket.job import Drawn, Row, Version

END = -1


class CountingLane:
    """Row k's next token is the number of tokens it has."""

    def __init__(self, model: "CountingModel") -> None:
        self.rows: list[Row] = []
        self._model = model

    def admit(self, rows: Sequence[Row]) -> list[Drawn]:
        self._model.check(rows)
        self._model.admitted.append(len(rows))
        self.rows += rows
        return [Drawn(0) for _ in rows]

    def step(self) -> list[Drawn]:
        self._model.check(self.rows)
        self._model.stepped.append(len(self.rows))
        return [Drawn(len(row.tokens)) for row in self.rows]

    def drop(self, leaving: Collection[Row]) -> None:
        self.rows = [row for row in self.rows if row not in leaving]


class CountingModel:
    """Implements what a Decoder asks of a model; `poison` is a prompt token that makes its batch raise."""

    eos = frozenset({END})

    def __init__(self) -> None:
        self.poison: int | None = None
        self.may_go = threading.Event()
        self.may_go.set()
        self.admitted: list[int] = []
        self.stepped: list[int] = []

    def lane(self, version: Version) -> CountingLane:
        return CountingLane(self)

    def text(self, tokens: Sequence[int]) -> str:
        return "".join(f"{token} " for token in tokens)

    def check(self, rows: Sequence[Row]) -> None:
        """Wait if told to, and raise if a poisoned row is among these."""
        self.may_go.wait(10)
        if any(self.poison in row.job.prompt for row in rows):
            raise ZeroDivisionError("poisoned")
