"""Logs: lines of JSON that hold what is allowed and nothing that was said."""

import json
import logging
import subprocess
import sys
import time
from pathlib import Path

from gateway.logs import AtMost, JsonLines


def line(message: str, **more: object) -> dict[str, object]:
    record = logging.LogRecord("trimtab", logging.INFO, __file__, 1, message, None, None)
    record.__dict__.update(more)
    found: dict[str, object] = json.loads(JsonLines().format(record))
    return found


def test_a_line_says_when_how_grave_and_what() -> None:
    said = line("request", fields={"outcome": "error", "status": 502})
    assert (said["level"], said["message"], said["outcome"], said["status"]) == (
        "info",
        "request",
        "error",
        502,
    )


def test_fields_that_are_not_allowed_are_left_out() -> None:
    assert "SENTINEL" not in str(line("request", fields={"prompt": "SENTINEL"}, authorization="SENTINEL"))


def test_an_exception_is_told_by_type_and_place_alone() -> None:
    try:
        raise ValueError("SENTINEL")
    except ValueError:
        said = line("crashed", exc_info=sys.exc_info())
    assert said["kind"] == "ValueError"
    assert str(said["where"]).startswith("test_logs.py:")
    assert "SENTINEL" not in str(said)


def test_more_lines_than_a_logger_may_write_are_counted_instead() -> None:
    bound = AtMost(2, seconds=0.05)

    def passes() -> tuple[bool, object]:
        record = logging.LogRecord("trimtab", logging.INFO, __file__, 1, "again", None, None)
        return bool(bound.filter(record)), getattr(record, "fields", {}).get("left_out")

    assert [passes() for _ in range(5)] == [(True, None)] * 2 + [(False, None)] * 3
    time.sleep(0.06)
    assert [passes() for _ in range(2)] == [(True, 3), (True, None)]


RECORDING = """
import asyncio, logging, sys
from pathlib import Path
from gateway.ledger.store import Ledger
from gateway.logs import set_up_logs
from tests.gateway.ledger.exchanges import exchange

async def main(folder):
    set_up_logs(sys.argv[2])
    logging.getLogger("trimtab.requests").debug("our own word")
    async with Ledger.open(f"sqlite:///{folder}/ledger.db", Path(folder) / "journal") as ledger:
        await ledger.record(exchange("x", text="SENTINEL"))
        await ledger.record(exchange("y", text="SENTINEL", flagged=False))
        await ledger.caught_up()

asyncio.run(main(sys.argv[1]))
"""


def logged(folder: Path, level: str) -> str:
    """What a process logs at a level that keeps two exchanges."""
    command = [sys.executable, "-c", RECORDING, str(folder), level]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def test_at_the_debug_level_we_say_more_and_libraries_no_word_of_what_they_handle(tmp_path: Path) -> None:
    said = logged(tmp_path, "debug")
    assert "our own word" in said
    assert "SENTINEL" not in said


def test_at_a_higher_level_we_are_silent(tmp_path: Path) -> None:
    assert logged(tmp_path, "error") == ""
