"""`store: false` through a real gateway and its real ledger: what a client wants unlearnt makes no pairs."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from finetune.pairs.make import MakeRules
from finetune.pairs.sources import PairSource
from tests.fakes.engine import fake_engine
from tests.fakes.guards import REFUSED
from tests.gateway.admin.conftest import open_house

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("house")
    with fake_engine() as (engine, behind), open_house(folder, behind.url, engine) as house:
        yield house


def done(house: Any, work: Coroutine[Any, Any, Any]) -> Any:
    """Do something on the server's own loop."""
    return asyncio.run_coroutine_threadsafe(work, house.server.loop).result(30)


def asked(house: Any, route: str, **body: Any) -> str:
    """A request whose answer is withheld, and which an operator has mended; the exchange's id."""
    text = body.pop("text")
    house.engine.says(f"It is {REFUSED}.")
    said = {"input": text} if route == RESPONSES else {"messages": [{"role": "user", "content": text}]}
    with house.http("application") as client:
        answer = client.post(route, json={"model": "assistant", **said, **body})
    assert answer.status_code == 200, answer.text
    assert done(house, house.tools.ledger.caught_up())
    exchange = str(answer.headers["x-trimtab-exchange"])
    with house.http("operator") as client:
        told = {"exchange": exchange, "kind": "edit", "text": f"It is far better so: {text}."}
        assert client.post("/admin/feedback", json=told).status_code == 201
    return exchange


def recorded(house: Any, exchange: str) -> int:
    with house.http("operator") as client:
        return int(client.get(f"/admin/exchanges/{exchange}").status_code)


def learnt(house: Any) -> set[str]:
    """The exchanges that pairs are made of."""
    source = PairSource(house.tools.ledger.database)

    async def gathered() -> set[str]:
        await source.gather(MakeRules())
        return {pair.provenance.exchange_id for pair in await source.pairs()}

    return set(done(house, gathered()))


@pytest.mark.parametrize("route", [CHAT, RESPONSES])
def test_what_may_not_be_stored_is_no_source_of_pairs(house: Any, route: str) -> None:
    mine = asked(house, route, text=f"teach {route}")
    theirs = asked(house, route, text=f"forget {route}", store=False)
    found = learnt(house)
    assert mine in found
    assert theirs not in found


def test_a_flagged_one_is_kept_for_audit_all_the_same(house: Any) -> None:
    assert recorded(house, asked(house, CHAT, text="audit this", store=False)) == 200


def test_an_unflagged_one_is_not_recorded(house: Any) -> None:
    house.engine.says("Hi.")
    body = {"model": "assistant", "messages": [{"role": "user", "content": "Hello?"}], "store": False}
    with house.http("application") as client:
        answer = client.post(CHAT, json=body)
    assert done(house, house.tools.ledger.caught_up())
    assert recorded(house, answer.headers["x-trimtab-exchange"]) == 404


def test_store_is_true_or_false(house: Any) -> None:
    body = {"model": "assistant", "messages": [{"role": "user", "content": "Hello?"}], "store": "no"}
    with house.http("application") as client:
        answer = client.post(CHAT, json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "store")
