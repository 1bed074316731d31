"""Logs: lines of JSON that hold what is allowed and nothing that was said."""

import json
import logging
import sys

from gateway.logs import JsonLines


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
