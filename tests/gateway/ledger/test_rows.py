from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from gateway.ledger.columns import storable
from gateway.ledger.exchanges import Exchanges
from gateway.ledger.intake import Intake
from gateway.ledger.tables import ExchangeRow
from tests.gateway.ledger.exchanges import PLAIN, exchange, exchanges, few


@few
@given(st.lists(exchanges(), min_size=1, max_size=4, unique_by=lambda told: told.id))
async def test_any_exchanges_are_read_back_as_they_were_stored(database, told):
    async with database.write() as connection:
        await connection.execute(delete(ExchangeRow))
    await Intake(database).take(told)
    found, _ = await Exchanges(database).after(0, 10)
    assert found == told


@given(PLAIN)
def test_plain_text_is_storable_as_it_is(text):
    assert storable(text) == text


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_one_that_utf8_takes(text):
    assert "\0" not in storable(text)
    assert storable(text).encode().decode() == storable(text)


async def test_what_databases_refuse_in_text_is_marked_not_lost(database):
    await Intake(database).take([exchange("x", answer="a\0b\ud800c", subject="\0")])
    found = await Exchanges(database).get("x")
    assert (found.answer, found.subject) == ("a\ufffdb\ufffdc", "\ufffd")
