"""Keys as people read them, in as few columns as a terminal has; terms stand there as they are typed. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

from gateway.tenants.keys import Key

INDENT = "  "


def lines_of(key: Key, width: int = 80) -> Iterator[str]:
    """A key in lines: what it is called, what it is, until when it holds, and what it may."""
    yield f"{key.id}  {key.name}"
    said = [f"{key.role}, secret ends in {key.hint}, made {minute(key.created_at)}", *_ends(key)]
    yield from _wrapped(", ".join(said), width)
    terms = key.terms.as_json()
    for name in ("limits", "bounds"):
        if terms[name]:
            yield from _wrapped(f"{name}: {_as_typed(terms[name])}", width)
    if key.terms.learn is False:
        yield f"{INDENT}nothing that it asks is learnt from"
    if key.terms.policy is not None:
        yield from _wrapped(f"policy: {key.terms.policy}", width)


def minute(moment: datetime) -> str:
    """A moment for people, in UTC as budgets are."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def _ends(key: Key) -> Iterator[str]:
    if key.revoked_at is not None:
        yield f"revoked {minute(key.revoked_at)}"
    elif key.terms.expires_at is not None:
        over = key.expired(datetime.now(UTC))
        yield f"{'expired' if over else 'expires'} {minute(key.terms.expires_at)}"


def _as_typed(terms: dict[str, Any]) -> str:
    """Terms as `--limit` and `--bound` take them."""
    return " ".join(
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in terms.items()
        if name != "budget_per" or "budget_tokens" in terms
    )


def _wrapped(text: str, width: int) -> Iterator[str]:
    """A text below its key's name; what is there to be copied is never cut."""
    return iter(
        wrap(
            text,
            max(width, 40),
            initial_indent=INDENT,
            subsequent_indent=INDENT * 2,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
