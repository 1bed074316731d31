from sqlalchemy import select

from gateway.ledger import document
from gateway.ledger.exchanges import Counts, Exchanges
from gateway.ledger.intake import Intake
from gateway.ledger.tables import DeadLetterRow
from tests.gateway.ledger.exchanges import exchange


def poison(name):
    """An exchange with a number that no column takes."""
    return exchange(name, chosen=2**63)


async def test_an_exchange_is_stored_once_however_often_it_comes(database):
    intake = Intake(database)
    await intake.take([exchange("x"), exchange("x")])
    await intake.take([exchange("x"), exchange("y")])
    assert await Exchanges(database).counts() == Counts(2, 2, 0)
    assert intake.stored == 2


async def test_one_that_the_tables_refuse_spoils_no_other(database):
    intake = Intake(database)
    await intake.take([exchange(f"x{n}") if n != 137 else poison("x137") for n in range(256)])
    assert await Exchanges(database).counts() == Counts(255, 255, 1)
    assert (intake.stored, intake.dead) == (255, 1)


async def test_a_dead_letter_holds_the_reason_and_the_whole_exchange(database):
    await Intake(database).take([poison("x")])
    async with database.read() as connection:
        letter = (await connection.execute(select(*DeadLetterRow.__table__.columns))).one()
    assert letter.exchange_id == "x"
    assert "too large" in letter.reason
    assert document.read(letter.document.encode()) == poison("x")


async def test_a_dead_letter_that_comes_again_is_still_one(database):
    for _ in range(2):
        await Intake(database).take([poison("x")])
    assert (await Exchanges(database).counts()).dead_letters == 1
