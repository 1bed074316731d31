"""Routing: sticky, weighted, and swapped as a whole."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics import Metrics
from gateway.routing import Router, Routes, RoutesInvalid, Share

MODELS = {"v1": "base", "v2": "policy-v2"}
CONVERSATIONS = [f"conversation {number}" for number in range(2000)]


def canary(weight: float) -> Routes:
    return Routes({"assistant": (Share("v1", 1 - weight), Share("v2", weight))}, MODELS)


@given(st.text(), st.floats(0, 1))
def test_a_conversation_always_meets_the_same_version(sticky: str, weight: float) -> None:
    routes = canary(weight)
    assert routes.choose("assistant", sticky) == routes.choose("assistant", sticky)


@given(st.text(), st.lists(st.floats(0, 1), min_size=2))
def test_a_growing_weight_moves_a_conversation_at_most_once(sticky: str, weights: list[float]) -> None:
    met = [canary(weight).choose("assistant", sticky) for weight in sorted(weights)]
    assert met == sorted(met)


def test_traffic_follows_the_weights() -> None:
    routes = canary(0.25)
    met = [routes.choose("assistant", each) for each in CONVERSATIONS]
    assert 0.2 < met.count("v2") / len(met) < 0.3


@pytest.mark.parametrize(("weight", "version"), [(0.0, "v1"), (1.0, "v2")])
def test_no_conversation_strays_when_one_version_has_all(weight: float, version: str) -> None:
    assert {canary(weight).choose("assistant", each) for each in CONVERSATIONS} == {version}


def test_an_unknown_alias_has_no_version() -> None:
    assert canary(0.5).choose("nobody", "x") is None


@pytest.mark.parametrize(
    ("shares", "complaint"),
    [
        ((Share("v1", 0.5),), "sum to 1"),
        ((), "sum to 1"),
        ((Share("v1", 2.0), Share("v2", -1.0)), "between 0 and 1"),
        ((Share("v3", 1.0),), "no engine serves v3"),
    ],
)
def test_broken_routes_are_refused(shares: tuple[Share, ...], complaint: str) -> None:
    with pytest.raises(RoutesInvalid, match=complaint):
        Routes({"assistant": shares}, MODELS)


def test_published_routes_replace_the_old_ones_and_their_weights() -> None:
    metrics = Metrics()
    router = Router(canary(0.5), metrics)
    router.publish(Routes({"assistant": (Share("v2", 1.0),)}, MODELS))
    assert router.current.choose("assistant", "x") == "v2"
    assert b'version="v1"' not in metrics.text()


async def test_draining_waits_for_what_is_in_flight() -> None:
    router = Router(canary(0.5), Metrics())
    with router.lease("v1"):
        assert not await router.drained("v1", timeout_seconds=0.01)
        waiting = asyncio.create_task(router.drained("v1", timeout_seconds=5))
        await asyncio.sleep(0)
    assert await waiting
    assert router.in_flight("v1") == 0
