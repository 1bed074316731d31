from datetime import UTC, datetime, timedelta

import pytest

from gateway.ledger.exchanges import Exchanges, Wanted
from gateway.ledger.intake import Intake
from guards.verdict import Action, Finding, Screening
from tests.gateway.ledger.exchanges import exchange

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def exchanges(database):
    pii = Screening("x", Action.FLAG, (Finding("pii", "G.pii", 1.0, Action.FLAG),))
    await Intake(database).take(
        [
            exchange("a", created_at=START),
            exchange("b", flagged=False, created_at=START + timedelta(hours=1)),
            exchange("c", version="v2", created_at=START + timedelta(hours=2)),
            exchange("d", prompt_screening=pii, created_at=START + timedelta(hours=3)),
        ]
    )
    return Exchanges(database)


def ids(found):
    return [one.id for one in found]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), "dcba"),
        (Wanted(flagged=True), "dca"),
        (Wanted(flagged=False), "b"),
        (Wanted(hazard="G.pii"), "d"),
        (Wanted(hazard="vcr"), "ca"),
        (Wanted(version="v2"), "c"),
        (Wanted(since=START + timedelta(hours=2)), "dc"),
        (Wanted(flagged=True, version="base", hazard="vcr"), "a"),
        (Wanted(key_id="nobody"), ""),
    ],
)
async def test_exchanges_are_found_by_what_they_are(exchanges, wanted, expected):
    page = await exchanges.page(wanted, limit=10)
    assert ids(page.exchanges) == list(expected)
    assert await exchanges.count(wanted) == len(expected)


async def test_pages_follow_one_another_newest_first(exchanges):
    first = await exchanges.page(Wanted(), limit=3)
    second = await exchanges.page(Wanted(), limit=3, cursor=first.cursor)
    assert (ids(first.exchanges), ids(second.exchanges)) == (["d", "c", "b"], ["a"])
    assert second.cursor is None


async def test_a_page_that_holds_exactly_the_rest_is_the_last(exchanges):
    assert (await exchanges.page(Wanted(), limit=4)).cursor is None


async def test_a_reader_in_the_order_of_arrival_meets_each_once(exchanges):
    first, cursor = await exchanges.after(0, 3)
    second, cursor = await exchanges.after(cursor, 3)
    third, _ = await exchanges.after(cursor, 3)
    assert ids(first) + ids(second) + ids(third) == ["a", "b", "c", "d"]


async def test_an_exchange_that_is_not_there_is_none(exchanges):
    assert await exchanges.get("nobody") is None
