"""The ledger's health as metrics: counters grow by what happened, gauges say how it is."""

from dataclasses import replace
from pathlib import Path

from gateway.ledger.store import LedgerHealth
from gateway.ledger_watch import publish
from gateway.metrics import Metrics
from gateway.settings import load_settings
from gateway.tools import open_tools

WELL = LedgerHealth(
    writer_alive=True,
    journal=None,
    database=None,
    behind=False,
    journal_failures=0,
    database_failures=0,
    pending=0,
    journal_bytes=0,
    journal_limit_bytes=1 << 30,
    recorded_flagged=0,
    recorded_sampled=0,
    stored=0,
    dropped=0,
    damaged=0,
    dead_letters=0,
)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"trimtab_ledger_{name}", labels)


def test_counters_grow_by_the_difference() -> None:
    metrics = Metrics()
    before = replace(WELL, recorded_flagged=2, dead_letters=1, journal_failures=1)
    now = replace(
        before, recorded_flagged=5, recorded_sampled=1, dead_letters=3, journal_failures=4, pending=2
    )
    publish(before, None, metrics)
    publish(now, before, metrics)
    assert value(metrics, "records_total", kind="flagged") == 5
    assert value(metrics, "records_total", kind="sampled") == 1
    assert value(metrics, "dead_letters_total") == 3
    assert value(metrics, "failures_total", what="journal") == 4
    assert value(metrics, "failures_total", what="database") == 0
    assert value(metrics, "pending") == 2


async def test_the_journal_keeps_to_the_limit_in_the_settings_and_tells_it(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, ledger={"journal_limit_mb": 32})
    async with open_tools(settings) as tools:
        assert tools.ledger is not None
        assert tools.ledger.health.journal_limit_bytes == 32 << 20
        assert value(tools.metrics, "journal_limit_bytes") == 32 << 20
