"""The terms of a key: until when it holds, what it may spend, what one request may ask for, and who screens it.

What is None is not limited by the key; the gateway's own limits and the guard policy's bounds hold beside it.

TermsInvalid     terms that no key can have
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from guards.wording import worded

Count = Annotated[int, Field(ge=1, le=10**15)]
Period = Literal["day", "month"]
T = TypeVar("T")


class TermsInvalid(Exception):
    """Terms that no key can have; names the field."""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What all requests of a key together may spend; tokens are prompt and completion, candidates included."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    concurrent_requests: Count | None = None
    budget_tokens: Count | None = None
    budget_per: Period = "month"


@dataclass(frozen=True, slots=True)
class KeyBounds:
    """The most that one request of a key may ask for."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    max_n: Count | None = None
    max_deadline_ms: Count | None = None
    may_explain: bool = True


@dataclass(frozen=True, slots=True)
class Terms:
    """All terms of a key; `policy` is a guard policy of the ledger, by content hash or by name."""

    expires_at: datetime | None = None
    limits: KeyLimits | None = None
    bounds: KeyBounds | None = None
    policy: str | None = None
    learn: bool | None = None  # false: nothing that it asks is ever learnt from

    def as_json(self) -> dict[str, Any]:
        """What they say, as it is kept and shown."""
        return {
            "expires_at": self.expires_at and self.expires_at.isoformat(),
            "limits": written(self.limits),
            "bounds": written(self.bounds),
            "policy": self.policy,
            "learn": self.learn is not False,
        }


NO_TERMS = Terms()
LIMITS: TypeAdapter[KeyLimits] = TypeAdapter(KeyLimits)
BOUNDS: TypeAdapter[KeyBounds] = TypeAdapter(KeyBounds)


def read_limits(document: Any) -> KeyLimits | None:
    """Limits from JSON, None where there are none; raises TermsInvalid naming the field."""
    return _read(LIMITS, KeyLimits, document, "limits") if document else None


def read_bounds(document: Any) -> KeyBounds | None:
    """Bounds from JSON, None where there are none; raises TermsInvalid naming the field."""
    return _read(BOUNDS, KeyBounds, document, "bounds") if document else None


def written(terms: KeyLimits | KeyBounds | None) -> dict[str, Any] | None:
    """Terms as JSON: what they say, and nothing of what they leave open."""
    if terms is None:
        return None
    return {name: value for name, value in asdict(terms).items() if value is not None}


def _read(adapter: TypeAdapter[T], kind: type[T], document: Any, name: str) -> T:
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join((name, *map(str, first["loc"])))
        raise TermsInvalid(f"{place}: {worded(first, kind)}") from None
