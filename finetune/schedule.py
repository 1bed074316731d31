"""When a retraining may begin, and when one should: times, quiet hours, budgets. Pure.

ScheduleInvalid     a time of the schedule cannot be understood; the message names it
"""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from math import log
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, ConfigDict, Field

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
QUIET = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? )?(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)"
)
Cut = tuple[float, int]  # a value, and whether bins meet just below or just above it
BELOW, AT, ABOVE = -1, 0, 1
ANY_TIME = datetime(2026, 1, 1)  # noqa: DTZ001 - of no place: it only shows whether an expression can be read


def known_cron(expression: str) -> str:
    """A cron expression of five fields; raises ValueError."""
    try:
        CronSim(expression, ANY_TIME)
    except CronSimError as error:
        raise ValueError(f"{expression!r} is no cron expression of five fields: {error}") from None
    return expression


def known_zone(name: str) -> str:
    """A time zone's name; raises ValueError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Berlin") from None
    return name


def known_hours(written: str) -> str:
    """Quiet hours such as `22:00-06:00` or `mon-fri 08:00-18:00`; raises ValueError."""
    found = QUIET.fullmatch(written.lower())
    days = (found["first"], found["last"]) if found else (None, None)
    if found is None or any(day is not None and day not in DAYS for day in days):
        raise ValueError(f"{written!r} are no hours; write 22:00-06:00, or mon-fri 08:00-18:00")
    for moment in (found["start"], found["end"]):
        try:
            time.fromisoformat(moment)
        except ValueError:
            raise ValueError(f"{moment!r} is no time of day") from None
    return written.lower()


@dataclass(frozen=True, slots=True)
class WatchRules:
    """When `trimtab finetune watch` retrains."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    # Retrain once so many new pairs are there; 0 leaves it to the clock and to alarms.
    min_new_pairs: Annotated[int, Field(ge=0)] = 200
    # And at these times, where anything new is there: minute, hour, day, month, weekday.
    cron: Annotated[str, AfterValidator(known_cron)] | None = None
    timezone: Annotated[str, AfterValidator(known_zone)] = "UTC"
    quiet: tuple[Annotated[str, AfterValidator(known_hours)], ...] = ()  # in which no run begins
    most_runs_a_day: Annotated[int, Field(ge=1)] | None = None
    most_training_hours_a_week: Annotated[float, Field(gt=0)] | None = None
    # Retrain, once a version, when rewards in traffic no longer lie as they did when the live version was new: the
    # population stability index from which that counts as drift. 0 does not look.
    drift_psi: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What the budget has been spent on, when the last run began, and when a time last found nothing to learn."""

    runs_today: int = 0
    training_hours: float = 0.0
    last_began: datetime | None = None
    in_vain: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why no run may begin now, and until when, where that is known."""

    why: str
    until: datetime | None = None

    @property
    def told(self) -> str:
        """One line for people."""
        return f"{self.why}, until {self.until:%Y-%m-%d %H:%M %Z}" if self.until else self.why


def held_back(rules: WatchRules, spent: Spent, now: datetime) -> Waiting | None:
    """Why no run may begin at a moment; None where one may."""
    here = now.astimezone(ZoneInfo(rules.timezone))
    for hours in rules.quiet:
        if (until := quiet_until(hours, here)) is not None:
            return Waiting(f"quiet hours {hours}", until)
    if rules.most_runs_a_day is not None and spent.runs_today >= rules.most_runs_a_day:
        return Waiting(f"{spent.runs_today} runs began within a day, and {rules.most_runs_a_day} may")
    most = rules.most_training_hours_a_week
    if most is not None and spent.training_hours >= most:
        return Waiting(f"{spent.training_hours:.1f} hours were trained within a week, and {most:g} may be")
    return None


def quiet_until(hours: str, here: datetime) -> datetime | None:
    """When quiet hours end that a moment lies in; None where it lies outside. They may go past midnight."""
    found = QUIET.fullmatch(hours)
    assert found is not None
    start, end = time.fromisoformat(found["start"]), time.fromisoformat(found["end"])
    for began in (here.date(), here.date() - timedelta(days=1)):
        first = datetime.combine(began, start, here.tzinfo)
        last = datetime.combine(began + timedelta(days=start >= end), end, here.tzinfo)
        if is_on(found["first"], found["last"], began.weekday()) and first <= here < last:
            return last
    return None


def is_on(first: str | None, last: str | None, weekday: int) -> bool:
    """Whether a weekday is among those from first to last; without either, every day is."""
    if first is None:
        return True
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return (weekday - begin) % 7 <= (end - begin) % 7


def next_time(rules: WatchRules, after: datetime) -> datetime | None:
    """The schedule's next time after a moment; None where there is no schedule."""
    if rules.cron is None:
        return None
    moment: datetime = next(CronSim(rules.cron, after.astimezone(ZoneInfo(rules.timezone))))
    return moment


def due(rules: WatchRules, spent: Spent, started: datetime, now: datetime) -> bool:
    """Whether a time of the schedule has come since the last run began, or since the watch did where there was none.

    A time that passed while nobody watched is made up for once; one that found nothing to learn has been.
    """
    known = [each for each in (spent.last_began, spent.in_vain) if each is not None]
    moment = next_time(rules, max(known, default=started))
    return moment is not None and moment <= now


def psi(before: Sequence[float], after: Sequence[float], bins: int = 10) -> float:
    """The population stability index of two samples over the first one's quantiles, smoothed by half a value a bin."""
    cuts = cuts_of(before, bins)
    return _psi(*(shares_of(sample, cuts) for sample in (before, after)))


def cuts_of(sample: Sequence[float], bins: int) -> list[Cut]:
    """Where bins of about as many values each meet; a value that is as frequent as a whole bin has one to itself.

    Else a sample of equal values would have one bin, and whatever they all move to would lie in it too.
    """
    ordered = sorted(sample)
    edges = Counter(ordered[len(ordered) * i // bins] for i in range(1, bins))
    return sorted({(edge, BELOW) for edge in edges} | {(e, ABOVE) for e, times in edges.items() if times > 1})


def shares_of(sample: Sequence[float], cuts: Sequence[Cut]) -> list[float]:
    """The share of a sample in each bin, smoothed."""
    bins = len(cuts) + 1
    found = Counter(bisect(cuts, (value, AT)) for value in sample)
    return [(found[place] + 0.5) / (len(sample) + bins / 2) for place in range(bins)]


def _psi(p: Sequence[float], q: Sequence[float]) -> float:
    return sum((a - b) * log(a / b) for a, b in zip(p, q, strict=True))
