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
