"""The ledger's health as metrics: counters grow by what happened, trouble counts once as it begins."""

from dataclasses import replace

from gateway.ledger.store import LedgerHealth
from gateway.ledger_watch import publish
from gateway.metrics import Metrics

WELL = LedgerHealth(
    writer_alive=True,
    journal=None,
    database=None,
    behind=False,
    journal_bytes=0,
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
    before = replace(WELL, recorded_flagged=2)
    publish(before, None, metrics)
    publish(replace(WELL, recorded_flagged=5, recorded_sampled=1, stored=4), before, metrics)
    assert value(metrics, "records_total", kind="flagged") == 5
    assert value(metrics, "records_total", kind="sampled") == 1
    assert value(metrics, "pending") == 2


def test_trouble_counts_once_as_it_begins() -> None:
    metrics, trouble = Metrics(), replace(WELL, journal="No space left on device")
    publish(WELL, None, metrics)
    publish(trouble, WELL, metrics)
    publish(trouble, trouble, metrics)
    assert value(metrics, "failures_total", what="journal") == 1
    assert value(metrics, "failures_total", what="database") == 0
