"""Clients that hang up while what was flagged is being written down: it is written all the same."""

import asyncio
import json
import time

import httpx
import pytest

from gateway.ledger.exchanges import Exchanges
from tests.fakes.engine import fake_engine
from tests.fakes.gateway import until
from tests.fakes.guards import FLAGGED
from tests.gateway.admin.conftest import open_house
from tests.gateway.ledger.exchanges import exchange
from tests.gateway.ledger.slow_disk import SlowDisk

WHOLE = f"The quick brown fox is {FLAGGED} to the lazy dog, and then it is so again. " * 2
NOTICED_SECONDS = 0.3  # after which the gateway knows that a client has left
BODY = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    with fake_engine() as (engine, behind), open_house(folder, behind.url, engine) as house:
        yield house


@pytest.fixture
def disk(house):
    """The disk is at work for somebody else, and whoever comes now has to wait."""
    house.engine.says(WHOLE)
    disk = house.server.call(lambda: SlowDisk(house.tools.ledger._journal))
    first = there(house, house.tools.ledger.record(exchange(f"first{id(disk)}")))
    yield disk
    disk.answers.set()
    first.result(10)


def there(house, work):
    return asyncio.run_coroutine_threadsafe(work, house.server.loop)


def recorded(house, exchange_id):
    """The exchange in the ledger, once nobody is waited for any more."""
    assert until(lambda: house.tools.metrics.registry.get_sample_value("trimtab_concurrent_requests") == 0)
    assert there(house, house.tools.ledger.caught_up()).result(10)
    return there(house, Exchanges(house.tools.ledger.database).get(exchange_id)).result(10)


def test_a_stream_that_was_read_to_its_end_and_left_is_recorded(house, disk):
    with (
        house.http() as client,
        client.stream("POST", "/v1/chat/completions", json=BODY | {"stream": True}) as answer,
    ):
        said = ""
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                said += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
            if said == WHOLE:
                break
    time.sleep(NOTICED_SECONDS)
    disk.answers.set()
    assert recorded(house, answer.headers["x-trimtab-exchange"]).hazards == ("dfm",)


def test_an_answer_that_was_left_while_it_was_recorded_is_recorded(house, disk):
    before = there(house, Exchanges(house.tools.ledger.database).counts()).result(10).flagged
    with house.http() as client, pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json=BODY, timeout=0.3)
    time.sleep(NOTICED_SECONDS)
    disk.answers.set()
    recorded(house, "")
    after = there(house, Exchanges(house.tools.ledger.database).counts()).result(10).flagged
    assert after == before + 2
