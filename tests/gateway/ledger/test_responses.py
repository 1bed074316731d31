"""Stored answers: one key's own, for a while, as lines of conversation."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.ledger.contract import LedgerFailed, LedgerUnavailable, NotInLedger
from gateway.ledger.expiry import swept
from gateway.ledger.responses import ConversationTooLong, Keeping, Responses, Stored

LONG = Keeping(timedelta(days=1), 10_000)
MUCH = 100_000


@pytest.fixture
def responses(database):
    return Responses(database, LONG)


def answer(name, previous=None, text=""):
    output = [{"id": f"msg_{name}", "text": f"said {name}"}]
    response = {"id": name, "object": "response", "output": output}
    return Stored(name, "me", response, [{"id": f"in_{name}", "text": f"asked {name}{text}"}], previous)


async def line(responses, *names):
    previous = None
    for name in names:
        await responses.keep(answer(name, previous))
        previous = name


async def test_what_was_kept_is_found_as_it_was(responses):
    await responses.keep(answer("a"))
    assert await responses.get("a", "me") == answer("a")


async def test_another_key_finds_and_deletes_nothing(responses):
    await responses.keep(answer("a"))
    for ask in (responses.get, responses.delete):
        with pytest.raises(NotInLedger):
            await ask("a", "somebody")
    assert await responses.get("a", "me")


async def test_what_was_deleted_is_gone(responses):
    await responses.keep(answer("a"))
    await responses.delete("a", "me")
    for ask in (responses.get, responses.delete):
        with pytest.raises(NotInLedger):
            await ask("a", "me")


async def test_a_conversation_is_all_that_led_to_an_answer(responses):
    await line(responses, "a", "b", "c")
    items = await responses.conversation("c", "me", MUCH)
    assert [item["id"] for item in items] == ["in_a", "msg_a", "in_b", "msg_b", "in_c", "msg_c"]
    assert len(await responses.conversation("b", "me", MUCH)) == 4


async def test_a_conversation_whose_beginning_is_gone_is_no_longer_there(responses):
    await line(responses, "a", "b", "c")
    await responses.delete("b", "me")
    with pytest.raises(NotInLedger, match="'b'"):
        await responses.conversation("c", "me", MUCH)


async def test_a_conversation_goes_through_no_other_keys_answers(responses):
    await responses.keep(replace(answer("a"), key_id="somebody"))
    await responses.keep(answer("b", "a"))
    with pytest.raises(NotInLedger, match="'a'"):
        await responses.conversation("b", "me", MUCH)


async def test_a_conversation_beyond_its_bound_is_told_apart(responses):
    await line(responses, "a", "b", "c")
    with pytest.raises(ConversationTooLong):
        await responses.conversation("c", "me", 150)


async def test_an_answer_beyond_its_bound_is_not_kept(responses):
    with pytest.raises(LedgerFailed, match="larger"):
        await responses.keep(answer("a", text="x" * LONG.max_bytes))
    with pytest.raises(NotInLedger):
        await responses.get("a", "me")


async def test_what_has_expired_is_neither_seen_nor_left(database, responses):
    await Responses(database, Keeping(timedelta(0), 10_000)).keep(answer("old"))
    await responses.keep(answer("new"))
    with pytest.raises(NotInLedger):
        await responses.get("old", "me")
    async with swept(responses), asyncio.timeout(5):
        while await ids_in(database) != ["new"]:
            await asyncio.sleep(0.01)


async def ids_in(database):
    async with database.read() as connection:
        return (await connection.exec_driver_sql("SELECT id FROM responses")).scalars().all()


async def test_a_database_that_is_away_is_told_as_such(database, responses):
    async with database.write() as connection:
        await connection.exec_driver_sql("ALTER TABLE responses RENAME TO away")
    with pytest.raises(LedgerUnavailable):
        await responses.keep(answer("a"))
