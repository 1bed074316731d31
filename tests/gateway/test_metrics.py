"""Metrics: each named once, explained, and private to its process' tools."""

from gateway.metrics import Metrics


def test_every_metric_is_prefixed_and_explained() -> None:
    for family in Metrics().registry.collect():
        assert family.name.startswith("trimtab_")
        assert family.documentation.endswith(".")


def test_two_sets_of_metrics_share_nothing() -> None:
    one, other = Metrics(), Metrics()
    one.client_left.inc()
    assert b"trimtab_client_left_total 1.0" in one.text()
    assert b"trimtab_client_left_total 0.0" in other.text()


def test_the_running_version_is_told() -> None:
    assert b'trimtab_build_info{version="' in Metrics().text()
