"""The ledger through the operator's surface."""

import pytest

from gateway.admin.client import AdminRefused
from tests.fakes.gateway import until


@pytest.fixture(scope="module")
def asked(house):
    """The ids of a dozen exchanges, every third flagged, all of them in the database."""
    questions = [f"{'rude ' if number % 3 == 0 else ''}question {number}" for number in range(12)]
    ids = [house.ask(question).headers["x-trimtab-exchange"] for question in questions]
    assert until(lambda: house.tools.ledger.health.stored == 12, seconds=20)
    return ids


async def ids(house, role="operator", **wanted):
    async with house.admin(role) as admin:
        return [exchange["id"] async for exchange in admin.exchanges(**wanted)]


@pytest.mark.parametrize("limit", [1, 5, 12, 500])
async def test_every_exchange_is_met_once_over_all_pages(house, asked, limit):
    assert sorted(await ids(house, limit=limit)) == sorted(asked)


async def test_exchanges_are_found_by_what_they_are(house, asked):
    assert await ids(house, flagged=True) == asked[::3][::-1]
    assert await ids(house, hazard="dfm") == asked[::3][::-1]
    assert await ids(house, version="another") == []


async def test_an_operator_reads_what_was_said(house, asked):
    async with house.admin("operator") as admin:
        exchange = await admin.exchange(asked[0])
    assert exchange["messages"][0]["content"] == "rude question 0"
    assert exchange["answer"] == "Hello there."


async def test_a_viewer_sees_decisions_and_no_text(house, asked):
    with house.http("viewer") as client:
        listed, one = client.get("/admin/exchanges"), client.get(f"/admin/exchanges/{asked[0]}")
    assert one.json()["hazards"] == ["dfm"]
    for answer in (listed, one):
        assert answer.status_code == 200
        assert "question" not in answer.text
        assert "Hello there" not in answer.text


async def test_an_exchange_that_never_was_is_told(house):
    async with house.admin() as admin:
        with pytest.raises(AdminRefused, match="there is no exchange") as refused:
            await admin.exchange("nobody")
    assert refused.value.status == 404


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_policy_redacts_is_on_no_disk(house, stream):
    house.engine.says("Your word is s3cret, I think.")
    body = {
        "model": "assistant",
        "stream": stream,
        "messages": [{"role": "user", "content": "Mine is s3cret."}],
    }
    before = house.tools.ledger.health.stored
    with house.http() as client:
        answer = client.post("/v1/chat/completions", json=body)
    assert "I think" in answer.text
    assert until(lambda: house.tools.ledger.health.stored > before, seconds=20)
    async with house.admin() as admin:
        kept = await admin.exchange(answer.headers["x-trimtab-exchange"])
    assert kept["messages"][0]["content"] == "Mine is [secret removed]."
    assert kept["answer"] == kept["candidates"][0]["text"] == "Your word is [secret removed], I think."
    files = [path for path in (house.folder / "home").rglob("*") if path.is_file()]
    assert not [path for path in files if b"s3cret" in path.read_bytes()]
