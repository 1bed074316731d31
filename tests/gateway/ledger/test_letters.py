from gateway.ledger.exchanges import Counts, Exchanges
from gateway.ledger.intake import Intake, Letter, letter_of
from gateway.ledger.letters import BATCH, DeadLetters, Replayed
from tests.gateway.ledger.exchanges import exchange

LATER = ValueError("the tables did not take it that day")


async def test_what_the_tables_take_by_now_is_dead_no_more(database):
    names = [f"x{number}" for number in range(BATCH + 3)]
    await Intake(database).take([], [letter_of(exchange(name), LATER) for name in names])
    assert await DeadLetters(database).replay() == Replayed(stored=len(names), left=0)
    assert await Exchanges(database).counts() == Counts(len(names), len(names), 0)
    assert await Exchanges(database).get("x7") == exchange("x7")


async def test_what_they_still_refuse_and_what_is_no_exchange_stays_a_letter(database):
    unreadable = Letter("unreadable-1", "not an exchange", b'{"of":"another age"}')
    poison = letter_of(exchange("poison", chosen=2**63), LATER)
    await Intake(database).take([], [unreadable, poison, letter_of(exchange("x"), LATER)])
    assert await DeadLetters(database).replay() == Replayed(stored=1, left=2)
    assert await Exchanges(database).counts() == Counts(1, 1, 2)


async def test_a_letter_whose_exchange_is_stored_already_goes(database):
    await Intake(database).take([exchange("x")], [letter_of(exchange("x"), LATER)])
    assert await DeadLetters(database).replay() == Replayed(stored=1, left=0)
    assert (await Exchanges(database).counts()).exchanges == 1
