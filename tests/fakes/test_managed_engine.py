"""The fake has vLLM's traps, or tests that rest on it would prove nothing."""

from pathlib import Path

import httpx
import pytest

from tests.fakes.managed_engine import ManagedEngine, managed_engine

ASK = {"model": "base", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def engine(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    with managed_engine(tmp_path / "old") as (fake, server), httpx.Client(base_url=server.url) as http:
        yield fake, http


def say(http):
    return http.post("/v1/chat/completions", json=ASK).json()["choices"][0]["message"]["content"]


def load(fake: ManagedEngine, http: httpx.Client, name: str) -> int:
    path = str(Path(fake.started_on).with_name(name))
    order = {"method": "reload_weights", "kwargs": {"weights_path": path}}
    return http.post("/collective_rpc", json=order).status_code


def test_a_reload_leaves_what_was_computed(engine):
    fake, http = engine
    assert say(http).startswith("old")
    assert load(fake, http, "new") == 200
    assert say(http).startswith("old")
    http.post("/reset_prefix_cache", json={})
    assert say(http).startswith("new")


def test_a_failed_reload_stays_healthy_and_dies_of_the_next_request(engine):
    fake, http = engine
    assert load(fake, http, "nowhere") == 500
    assert http.get("/health").status_code == 200
    assert http.post("/v1/chat/completions", json=ASK).status_code == 500
    assert http.get("/health").status_code == 503
