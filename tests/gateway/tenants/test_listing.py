"""Keys as people read them."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from typer.testing import CliRunner

from gateway.tenants.cli import app
from gateway.tenants.keys import Key
from gateway.tenants.listing import lines_of
from gateway.tenants.terms import KeyBounds, KeyLimits, Terms

MADE = datetime(2026, 1, 31, 12, tzinfo=UTC)
FAR, PAST = datetime(2999, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
LIMITS = KeyLimits(60, 20_000, 4, 1_000_000, "month")


def key(**terms: object) -> Key:
    return Key("key-0123456789ab", "the shop's front page", "application", "a1b2", MADE, terms=Terms(**terms))  # type: ignore[arg-type]


def told(**terms: object) -> str:
    """The lines of a key, as one."""
    return " ".join(" ".join(lines_of(key(**terms))).split())


def test_a_key_without_terms_takes_two_lines() -> None:
    assert list(lines_of(key())) == [
        "key-0123456789ab  the shop's front page",
        "  application, secret ends in a1b2, made 2026-01-31T12:00Z",
    ]


def test_a_key_with_every_term_fits_into_eighty_columns() -> None:
    terms = {"expires_at": FAR, "limits": LIMITS, "bounds": KeyBounds(4, 5000), "policy": "strict"}
    assert max(map(len, lines_of(key(**terms)))) <= 80
    assert told(**terms).partition("limits: ")[2] == (
        "requests_per_minute=60 tokens_per_minute=20000 concurrent_requests=4 budget_tokens=1000000 "
        "budget_per=month bounds: max_n=4 max_deadline_ms=5000 may_explain=true policy: strict"
    )


def test_without_a_budget_its_period_says_nothing() -> None:
    assert told(limits=KeyLimits(60)).endswith("limits: requests_per_minute=60")


def test_what_is_there_to_be_copied_is_not_cut() -> None:
    assert "f" * 64 in " ".join(lines_of(key(policy="f" * 64), width=50))


def test_until_when_a_key_holds_is_told() -> None:
    assert "expires 2999-01-01T00:00Z" in told(expires_at=FAR)
    assert "expired 2026-02-01T00:00Z" in told(expires_at=PAST)


def test_times_are_told_in_utc() -> None:
    elsewhere = PAST.astimezone(timezone(timedelta(hours=9)))
    assert "expired 2026-02-01T00:00Z" in told(expires_at=elsewhere)


def test_a_change_is_told_in_lines_and_where_asked_as_json(tmp_path: Path) -> None:
    run, home = CliRunner(), ["--home", str(tmp_path)]
    run.invoke(app, ["create", "shop", *home])
    found = run.invoke(app, ["list", *home]).stdout.split()[0]
    told = run.invoke(app, ["set", found, "--limit", "requests_per_minute=60", *home])
    assert "limits: requests_per_minute=60" in told.stdout
    told = run.invoke(app, ["set", found, "--limit", "requests_per_minute=none", "--json", *home])
    assert '"requests_per_minute"' not in told.stdout
    assert told.stdout.startswith("{")


def test_the_help_says_what_to_try() -> None:
    said = CliRunner().invoke(app, ["--help"]).output
    assert "keys create shop" in said
