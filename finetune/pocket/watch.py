"""Shows a build as it goes: a bar for each step, with the time left; lines where there is no terminal."""

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

QUIET_SECONDS = 15.0  # between two lines of one step in a log file


class Bars:
    """Progress bars on a terminal, and lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        columns = (TextColumn("{task.description:>9}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self._bars = Progress(*columns, *times, TextColumn("{task.fields[told]}"), console=self._console)
        self._task: TaskID | None = None
        self._step = ""
        self._said = 0.0

    def __enter__(self) -> "Bars":
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def began(self, step: str) -> None:
        """A step has begun."""
        self._step, self._said = step, time.monotonic()
        self._task = self._bars.add_task(step, total=None, told="")
        if not self._console.is_terminal:
            self._console.print(f"{step} …")

    def ended(self, step: str, told: str, *, again: bool = False) -> None:
        """A step has ended; its bar is full."""
        if self._task is not None:
            self._bars.update(self._task, total=1, completed=1, told=told)
        if not self._console.is_terminal:
            self._console.print(f"{step}: {told}{' (done before)' if again else ''}")

    def advanced(self, done: int, total: int, told: str = "") -> None:
        """The step under way has done so much of its work."""
        if self._task is not None:
            self._bars.update(self._task, total=total, completed=done, told=told)
        if not self._console.is_terminal and time.monotonic() - self._said > QUIET_SECONDS:
            self._said = time.monotonic()
            self._console.print(f"{self._step}: {done}/{total} {told}")

    def measured(self, figures: Mapping[str, float]) -> None:
        """The bars have room for what `advanced` tells alone."""
