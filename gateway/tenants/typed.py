"""Terms as people type them on a command line: `--expires 90d --limit requests_per_minute=60 --bound max_n=4`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.tenants.terms import Terms, TermsInvalid, read_bounds, read_limits, written

SPAN = re.compile(r"(\d{1,6})([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
NOTHING = "none"  # takes a term away


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed; what was not leaves a term as it is."""

    expires: str | None = None
    limits: Sequence[str] = ()
    bounds: Sequence[str] = ()
    policy: str | None = None
    learn: bool | None = None

    def amend(self, terms: Terms) -> Terms:
        """The terms with what was typed; raises TermsInvalid."""
        if self.expires is not None:
            terms = replace(terms, expires_at=_moment(self.expires))
        if self.limits:
            terms = replace(terms, limits=read_limits(_amended(written(terms.limits), self.limits)))
        if self.bounds:
            terms = replace(terms, bounds=read_bounds(_amended(written(terms.bounds), self.bounds)))
        if self.policy is not None:
            terms = replace(terms, policy=None if self.policy == NOTHING else self.policy)
        if self.learn is not None:
            terms = replace(terms, learn=self.learn)
        return terms


def span_of(typed: str) -> timedelta:
    """A span such as 30s, 15m, 1h or 90d; raises TermsInvalid."""
    found = SPAN.fullmatch(typed)
    if found is None:
        raise TermsInvalid(f"{typed[:40]!r} is no span of time; write 30s, 15m, 1h or 90d")
    return timedelta(seconds=int(found[1]) * SECONDS[found[2]])


def _moment(typed: str) -> datetime | None:
    return None if typed == NOTHING else datetime.now(UTC) + span_of(typed)


def _amended(known: dict[str, Any] | None, typed: Sequence[str]) -> dict[str, Any]:
    """A document with NAME=VALUE put in, and NAME=none taken out."""
    document = dict(known or {})
    for each in typed:
        name, equals, value = each.partition("=")
        if not equals:
            raise TermsInvalid(f"{each[:80]!r} must be NAME=VALUE")
        document.pop(name, None)
        if value != NOTHING:
            document[name] = value
    return document
