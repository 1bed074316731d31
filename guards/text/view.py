"""A derived reading of a text, and where each of its characters came from."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a text; `path` names the steps that led to it, as in raw>visible>skeleton.

    Character i of the view came from the original's [starts[i], ends[i]); None stands for the identity.
    """

    path: str
    text: str
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """The original's characters behind the view's [start, end)."""
        if start >= end or self.starts is None:
            return start, end
        ends = self.ends if self.ends is not None else [index + 1 for index in self.starts[start:end]]
        own = ends[start:end] if self.ends is not None else ends
        return min(self.starts[start:end]), max(own)

    def then(self, step: str, text: str, chosen: Sequence[int] | None) -> "View":
        """What a further step makes of this view; `chosen[i]` is the index here of its character i."""
        path = f"{self.path}>{step}"
        if chosen is None or self.starts is None:
            starts = chosen if self.starts is None else self.starts
            return View(path, text, starts, self.ends)
        starts = [self.starts[index] for index in chosen]
        ends = None if self.ends is None else [self.ends[index] for index in chosen]
        return View(path, text, starts, ends)
