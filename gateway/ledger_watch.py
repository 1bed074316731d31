"""The ledger's health as metrics: read once a second, for as long as the gateway runs."""

import asyncio

from gateway.background import Running, running
from gateway.ledger.store import Ledger, LedgerHealth
from gateway.metrics import Metrics

EVERY_SECONDS = 1.0


def watched_ledger(ledger: Ledger, metrics: Metrics) -> Running:
    """The task that watches the ledger."""
    return running(_watch(ledger, metrics), "ledger metrics")


async def _watch(ledger: Ledger, metrics: Metrics) -> None:
    before = ledger.health
    publish(before, None, metrics)
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        now = ledger.health
        publish(now, before, metrics)
        before = now


def publish(now: LedgerHealth, before: LedgerHealth | None, metrics: Metrics) -> None:
    """Add what has happened since `before` to the counters, and set the gauges."""
    known = before or LedgerHealth(**dict.fromkeys(LedgerHealth.__slots__, 0))  # type: ignore[arg-type]
    metrics.ledger_records.labels("flagged").inc(now.recorded_flagged - known.recorded_flagged)
    metrics.ledger_records.labels("sampled").inc(now.recorded_sampled - known.recorded_sampled)
    metrics.ledger_dropped.inc(now.dropped - known.dropped)
    metrics.ledger_dead_letters.inc(now.dead_letters - known.dead_letters)
    metrics.ledger_failures.labels("journal").inc(now.journal_failures - known.journal_failures)
    metrics.ledger_failures.labels("database").inc(now.database_failures - known.database_failures)
    metrics.ledger_pending.set(now.pending)
    metrics.ledger_journal_bytes.set(now.journal_bytes)
    metrics.ledger_journal_limit_bytes.set(now.journal_limit_bytes)
