"""A server that watches itself: probes, disagreement and routes reach the model and the metrics."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rewardserve.app import create_app
from rewardserve.probe import FORM
from rewardserve.reward import Reward
from rewardserve.settings import RewardSettings
from tests.fakes.scorer import FakeItem, FakeScorer
from tests.serving import Serving, serving_opened

ASK = {"conversations": [{"messages": [{"role": "user", "content": "hi"}], "candidates": ["abc", "a"]}]}


class Disagreeing(FakeScorer):
    """Tells how far its members disagree, and remembers on which routes it was asked."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.routes: list[str] = []

    def on_route(self, items: Sequence[FakeItem], route: str) -> list[FakeItem]:
        self.routes.append(route)
        return list(items)

    def score(self, items: Sequence[FakeItem]) -> list[float]:
        return [Reward(each, {"members": 2.0}, 0.4) for each in super().score(items)]


@contextmanager
def served(scorer: FakeScorer, **settings: Any) -> Iterator[Serving]:
    app = create_app(scorer, RewardSettings(**settings))

    @asynccontextmanager
    async def opening() -> Any:
        async with app.router.lifespan_context(app):
            yield app

    with serving_opened(opening) as server:
        yield server


def metrics(server: Serving) -> str:
    return httpx.get(f"{server.url}/metrics", trust_env=False).text


def test_disagreement_is_exported() -> None:
    with served(Disagreeing()) as server:
        httpx.post(f"{server.url}/v1/score", json=ASK, trust_env=False).raise_for_status()
        assert "trimtab_reward_disagreement_count 2.0" in metrics(server)


def test_a_route_reaches_a_scorer_that_compares_by_it() -> None:
    scorer = Disagreeing()
    with served(scorer) as server:
        httpx.post(f"{server.url}/v1/score", json={**ASK, "route": "shop"}, trust_env=False)
    assert scorer.routes == ["shop"]


@pytest.mark.parametrize(("recorded", "deviation"), [([3.0, 1.0], "0.0"), ([9.0, 1.0], "1.")])
def test_a_scorer_that_moved_since_its_probes_were_recorded_is_seen(
    recorded: list[float], deviation: str, tmp_path: Path
) -> None:
    messages = [{"role": "user", "content": "hi"}]
    values = [{"reward": value} for value in recorded]
    row = {"id": "one", "messages": messages, "candidates": ["abc", "a"], "values": values}
    path = tmp_path / "probe.json"
    path.write_text(json.dumps({"form": FORM, "model": "fake", "probes": [row]}))
    with served(FakeScorer(), probe=path, probe_seconds=0.1) as server:
        deadline = time.monotonic() + 5
        while "deviation NaN" in metrics(server) and time.monotonic() < deadline:
            time.sleep(0.05)
        told = metrics(server)
    assert f"trimtab_reward_probe_deviation {deviation}" in told
