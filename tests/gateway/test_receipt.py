"""The receipt: bytes as they were screened and delivered, and whether every guard saw them all."""

from gateway.receipt import Receipt
from guards.verdict import Screening, Segment

SAID = [Segment("Grüße", "reply"), Segment("{}", "reply", "tool_arguments")]


def test_bytes_are_counted_by_part_in_utf8() -> None:
    receipt = Receipt()
    receipt.screened(SAID, Screening("Grüße{}", scanned_bytes=9))
    receipt.delivered("Grüße{}")
    assert receipt.as_json() == {
        "screened_bytes": 9,
        "delivered_bytes": 9,
        "parts": {"content": 7, "tool_arguments": 2},
        "unscanned": {},
        "complete": True,
    }


def test_a_byte_that_some_guard_did_not_see_makes_it_incomplete() -> None:
    receipt = Receipt()
    receipt.screened(SAID, Screening("Grüße{}", scanned_bytes=8))
    assert not receipt.complete
