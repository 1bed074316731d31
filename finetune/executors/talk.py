"""How a training in other processes tells of itself: lines of JSON in a file that both sides see.

A file, and no pipe: the processes may be children of a launcher's children, or on another machine. The last line holds
what was trained, or why nothing was; a line that is cut off by a kill counts as none.
"""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from finetune.errors import TrainingFailed
from finetune.progress import Progress
from finetune.train.contract import Job, Trained

JOB: TypeAdapter[Job] = TypeAdapter(Job)
TRAINED: TypeAdapter[Trained] = TypeAdapter(Trained)
LEAST_SECONDS = 0.1  # between two lines of progress
LOOK_SECONDS, UNHEARD_SECONDS = (
    1.0,
    20.0,
)  # the second is well below the shortest lease that a worker should have


@dataclass
class Talk:
    """The side that trains: progress that is written down."""

    path: Path
    _last: float = field(default=0.0, init=False)

    def began(self, step: str) -> None:
        """Nothing: a training has no steps of a run."""

    def ended(self, step: str, told: str, *, again: bool = False) -> None:
        """Nothing, as above."""

    def advanced(self, done: int, total: int, told: str = "") -> None:
        """One line, but not for every step of a fast training; what is special is always told."""
        now = time.monotonic()
        if now - self._last >= LEAST_SECONDS or done == total:
            self._last = now
            self.say(advanced=[done, total, told])

    def measured(self, figures: Mapping[str, float]) -> None:
        """One line: they come seldom."""
        self.say(measured=dict(figures))

    def trained(self, found: Trained) -> None:
        """The end, as it should be."""
        self.say(trained=TRAINED.dump_python(found, mode="json"))

    def failed(self, why: str) -> None:
        """The end, as it should not be."""
        self.say(failed=why)

    def say(self, **told: Any) -> None:
        """Write one line, whole."""
        with self.path.open("a") as file:
            file.write(json.dumps(told) + "\n")


def listened(talk: Path) -> Path:
    """The file whose time of change moves as long as somebody listens."""
    return talk.with_name("listened")


def stop_unheard(talk: Path, stop: threading.Event, patience: float = UNHEARD_SECONDS) -> None:
    """Set `stop` once nobody listens any more: whoever waited was killed, and another may begin the same training.

    Told by this machine's own clock, and by changes alone: the file may lie on another's.
    """
    last, since = None, time.monotonic()
    while not stop.wait(min(LOOK_SECONDS, patience / 4)):
        try:
            found = listened(talk).stat().st_mtime_ns
        except OSError:  # removed, with all the rest
            found = None
        if found != last:
            last, since = found, time.monotonic()
        elif time.monotonic() - since > patience:
            stop.set()


@dataclass
class Hearing:
    """The side that waits: reads what is new, and remembers how it ended."""

    path: Path
    progress: Progress
    trained: Trained | None = None
    failed: str | None = None
    _read: int = 0

    def listen(self) -> None:
        """Pass on whatever was told since the last time; and let the other side know that somebody listens."""
        listened(self.path).touch()
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            *lines, _ = file.read().split(b"\n")
        for line in lines:
            self._read += len(line) + 1
            self._heard(json.loads(line))

    def _heard(self, told: dict[str, Any]) -> None:
        if "advanced" in told:
            self.progress.advanced(*told["advanced"])
        elif "measured" in told:
            self.progress.measured(told["measured"])
        elif "failed" in told:
            self.failed = self.failed or str(told["failed"])  # what comes after it is its consequence
        elif "trained" in told:
            self.trained = TRAINED.validate_python(told["trained"])

    def result(self, otherwise: str) -> Trained:
        """What was trained; raises TrainingFailed, with `otherwise` where nobody has said why."""
        self.listen()
        if self.trained is None:
            raise TrainingFailed(self.failed or otherwise)
        return self.trained
