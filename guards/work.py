"""What a guard has at hand while it judges: the views of the texts, and whether its verdict still matters."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from guards.text.view import View
from guards.text.views import views


@dataclass(slots=True, eq=False)
class Readings:
    """The views of one screening's texts, each made once, by whichever guard's thread comes first."""

    known: dict[str, list[View]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def of(self, text: str, go_on: Callable[[], None]) -> list[View]:
        """The views of a text; `go_on` raises when nobody needs them any more."""
        with self.lock:
            go_on()
            found = self.known.get(text)
            if found is None:
                found = self.known[text] = views(text, go_on)
            return found


@dataclass(slots=True, eq=False)
class Work:
    """One guard's part in one screening; a thread that computes asks it now and then whether to go on."""

    readings: Readings = field(default_factory=Readings)
    ended: Exception | None = None

    def views(self, text: str) -> list[View]:
        """Every reading of a text that is worth a look."""
        return self.readings.of(text, self.go_on)

    def end(self, reason: Exception) -> None:
        """Have whoever still computes stop at the next occasion."""
        self.ended = self.ended or reason

    def go_on(self) -> None:
        """Raises the reason why the work is over, if it is."""
        if self.ended is not None:
            raise self.ended
