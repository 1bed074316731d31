"""What a key spends in a minute: a sliding window that never admits more than its limit in any sixty seconds.

Our own and not the library `limits`: its moving window keeps an entry for each unit, of which tokens are thousands
(80 µs for a thousand of them), its fixed window lets twice the limit pass around a border, and neither can be settled.
A bucket that refills (GCRA) passes twice the limit in its first minute.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

WINDOW_SECONDS = 60
MANY_WINDOWS = 1024  # of which those that are empty are looked for and dropped
What = Literal["requests", "tokens"]


class Window:
    """Amounts by the second in which they were spent; one is forgotten when the whole of its second is a minute old."""

    __slots__ = ("_spent", "_total")

    def __init__(self, spent: Iterable[tuple[int, int]] = ()) -> None:
        self._spent = deque([second, amount] for second, amount in sorted(spent))
        self._total = sum(amount for _, amount in self._spent)

    def total(self, now: float) -> int:
        """What was spent lately."""
        while self._spent and self._spent[0][0] < int(now) - WINDOW_SECONDS:
            self._total -= self._spent.popleft()[1]
        return self._total

    def add(self, amount: int, now: float) -> None:
        """Spend now."""
        self._total += amount
        if self._spent and self._spent[-1][0] >= int(now):
            self._spent[-1][1] += amount
        else:
            self._spent.append([int(now), amount])

    def give_back(self, amount: int, second: int) -> None:
        """Undo a part of what was spent in a second; what is forgotten by now needs no undoing."""
        for each in self._spent:
            if each[0] == second:
                each[1] -= amount
                self._total -= amount

    def seconds_until(self, most: int, now: float) -> float:
        """Until no more than `most` is remembered, should nothing be spent meanwhile."""
        left, until = self.total(now), now
        for second, amount in self._spent:
            if left <= most:
                break
            left -= amount
            until = second + WINDOW_SECONDS + 1
        return until - now

    def reset_seconds(self, now: float) -> float:
        """Until nothing is remembered."""
        return self._spent[-1][0] + WINDOW_SECONDS + 1 - now if self.total(now) else 0.0


class Cost(NamedTuple):  # and not a dataclass, nor the next: they are made for every request
    """What a request takes of one limit."""

    what: What
    amount: int
    limit: int


class Standing(NamedTuple):
    """How one limit stands; `wait_seconds` until what was asked for would fit, 0 when it did."""

    what: What
    limit: int
    remaining: int
    reset_seconds: float  # until all of it is to be had again
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Taken:
    """How the limits stand after a request was counted, or was refused and left them as they were."""

    standings: tuple[Standing, ...]
    second: int
    counter: "Rates"  # who counted, and settles

    @property
    def refused(self) -> Standing | None:
        """The limit that the request has to wait for longest."""
        refusing = [each for each in self.standings if each.wait_seconds]
        return max(refusing, key=lambda each: each.wait_seconds) if refusing else None


class Rates(Protocol):
    """Counts what keys spend."""

    async def take(self, key: str, costs: Sequence[Cost]) -> Taken:
        """Count a request against all its limits, or against none where one has no room."""
        ...

    async def settle(self, key: str, what: What, change: int, second: int) -> None:
        """Correct what a request took in a second: more is spent now, less is given back then."""
        ...


class LocalRates:
    """Counts in this process' memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, What], Window] = {}
        self._tidy_at = MANY_WINDOWS

    async def take(self, key: str, costs: Sequence[Cost]) -> Taken:
        """Count a request against all its limits, or against none where one has no room."""
        now = self._clock()
        pairs = [(self._window(key, cost.what), cost) for cost in costs]
        fits = all(window.total(now) + cost.amount <= cost.limit for window, cost in pairs)
        if fits:
            for window, cost in pairs:
                window.add(cost.amount, now)
        standings = tuple([standing(window, cost, now, fits=fits) for window, cost in pairs])
        return Taken(standings, int(now), self)

    async def settle(self, key: str, what: What, change: int, second: int) -> None:
        """Correct what a request took in a second: more is spent now, less is given back then."""
        window = self._window(key, what)
        if change > 0:
            window.add(change, self._clock())
        else:
            window.give_back(-change, second)

    def _window(self, key: str, what: What) -> Window:
        window = self._windows.get((key, what))
        if window is None:
            if len(self._windows) >= self._tidy_at:
                self._forget_idle()
            window = self._windows[key, what] = Window()
        return window

    def _forget_idle(self) -> None:
        """Drop the windows in which nothing is remembered, when there are twice as many as were worth keeping."""
        now = self._clock()
        self._windows = {name: window for name, window in self._windows.items() if window.total(now)}
        self._tidy_at = max(MANY_WINDOWS, 2 * len(self._windows))


def standing(window: Window, cost: Cost, now: float, *, fits: bool) -> Standing:
    """How a limit stands in a window, after a request was counted in it or refused."""
    return Standing(
        cost.what,
        cost.limit,
        max(0, cost.limit - window.total(now)),
        window.reset_seconds(now),
        0.0 if fits else window.seconds_until(cost.limit - cost.amount, now),
    )
