"""What guards said, kept in one document."""

import json
import sqlite3

from gateway.ledger.evidence import document_of
from gateway.ledger.exchanges import Exchanges
from gateway.ledger.intake import Intake
from guards.verdict import Screening, Span, Verdict
from tests.gateway.ledger.exchanges import exchange

PANEL = {"words": "f00d"}


def told(name: str, **more: object):
    verdicts = (Verdict("words", {"vcr": 0.25}, (Span(0, 2, "vcr"),)), Verdict("silent", {}))
    screening = Screening("sesame", verdicts=verdicts, parts=("content",), shares=(2,), panel=PANEL)
    return exchange(name, text="sesame", prompt_screening=screening, **more)


def test_it_holds_no_text() -> None:
    assert "sesame" not in json.dumps(document_of(told("x")))


async def test_a_panel_is_kept_once(database) -> None:
    intake = Intake(database)
    await intake.take([told("a"), told("b")])
    await intake.take([told("c")])
    async with database.read() as connection:
        rows = (await connection.exec_driver_sql("SELECT guards FROM panels")).all()
    assert [json.loads(row[0]) for row in rows] == [PANEL]


async def test_erasing_an_exchange_erases_what_was_said_of_it(database) -> None:
    await Intake(database).take([told("a"), told("b")])
    async with database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM exchanges WHERE id = 'a'")
    async with database.read() as connection:
        rows = (await connection.exec_driver_sql("SELECT exchange_id FROM evidence")).all()
    assert rows == [("b",)]


async def test_an_exchange_from_before_keeps_its_verdicts(database, url) -> None:
    await Intake(database).take([told("a")])
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("DELETE FROM evidence")
        connection.execute(
            "INSERT INTO verdicts VALUES ('a', -1, 0, 'words', ?, ?, 0)",
            ('{"vcr": 0.25}', '[[0, 2, "vcr", "", "raw"]]'),
        )
    found = await Exchanges(database).get("a")
    assert found is not None
    assert found.prompt_screening is not None
    assert found.prompt_screening.verdicts == told("a").prompt_screening.verdicts[:1]
