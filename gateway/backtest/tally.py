"""What a backtest found, counted; two counts of different exchanges add up, in any order, to the same."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from zlib import crc32

from gateway.backtest.past import Found
from guards.verdict import Segment, Where

Change = tuple[str, str]  # from one action to another
Shift = tuple[str, str, str]  # hazard, guard or direction; which; appears, goes or changes
Means = Literal["from_scores", "by_guards"]
MEANS: tuple[Means, Means] = ("from_scores", "by_guards")


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """An exchange that would end otherwise; `lot` is what samples are drawn by."""

    lot: int
    exchange: str
    before: str
    after: str
    found: tuple[tuple[str, str, str], ...] = ()  # direction, guard, hazard: of what the draft finds


@dataclass(slots=True)
class Tally:
    """The counts; `keep` samples of each kind of change."""

    keep: int = 5
    exchanges: int = 0
    means: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)  # by reason
    actions: Counter[Change] = field(default_factory=Counter)
    unanswered: int = 0
    unread: int = 0  # rows of a file that could not be read,
    complaint: str = ""  # and what is wrong with the first
    shifts: Counter[Shift] = field(default_factory=Counter)
    samples: dict[Change, list[Sample]] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """Exchanges that would end otherwise."""
        return sum(count for (before, after), count in self.actions.items() if before != after)

    def count(
        self, change: Change, means: Means, times: int, shifts: Iterable[Shift], *, unanswered: bool
    ) -> None:
        """Count exchanges that are alike."""
        self.exchanges += times
        self.means[means] += times
        self.actions[change] += times
        self.unanswered += times if unanswered else 0
        for shift in shifts:
            self.shifts[shift] += times

    def bad(self, complaint: str) -> None:
        """Count a row that cannot be read."""
        self.unread += 1
        self.complaint = self.complaint or complaint

    def add(self, other: "Tally") -> None:
        """Count another's exchanges as well."""
        self.exchanges += other.exchanges
        self.unanswered += other.unanswered
        self.unread += other.unread
        self.complaint = self.complaint or other.complaint
        for mine, others in (
            (self.means, other.means),
            (self.unknown, other.unknown),
            (self.actions, other.actions),
            (self.shifts, other.shifts),
        ):
            mine.update(others)  # type: ignore[arg-type]
        for change, samples in other.samples.items():
            self._keep(change, samples)

    def draws(self, change: Change, lot: int) -> bool:
        """Whether a sample with this lot would be kept, as things stand."""
        kept = self.samples.get(change)
        return not kept or len(kept) < self.keep or lot <= kept[-1].lot

    def sample(self, sample: Sample) -> None:
        """Offer a sample."""
        self._keep((sample.before, sample.after), [sample])

    def _keep(self, change: Change, samples: Iterable[Sample]) -> None:
        kept = sorted([*self.samples.get(change, ()), *samples])
        self.samples[change] = kept[: self.keep]


def lot_of(exchange_id: str) -> int:
    """What decides whether an exchange is a sample: chance, but the same one every time."""
    return crc32(exchange_id.encode(errors="surrogatepass"))


def shifts_of(before: Mapping[Where, Iterable[Found]], after: Mapping[Where, Iterable[Found]]) -> set[Shift]:
    """What appears, goes, or is answered otherwise: by hazard, by guard, by direction."""
    shifts = set()
    old, new = strictest(before), strictest(after)
    for key in old.keys() | new.keys():
        if key not in old:
            shifts.add((*key, "appears"))
        elif key not in new:
            shifts.add((*key, "goes"))
        elif old[key] != new[key]:
            shifts.add((*key, "changes"))
    return shifts


def strictest(found: Mapping[Where, Iterable[Found]]) -> dict[tuple[str, str], int]:
    """The strictest action for each hazard, guard and direction."""
    kept: dict[tuple[str, str], int] = {}
    for where, several in found.items():
        for one in several:
            direction = Segment("", where, one.part).direction
            for key in (("hazard", one.hazard), ("guard", one.guard), ("direction", direction)):
                kept[key] = max(kept.get(key, 0), int(one.action))
    return kept
