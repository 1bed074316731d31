"""Server-sent events: payloads survive every way of being cut."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sse import LONGEST_FRAME_BYTES, Decoder, FrameTooLong, frame

WIRE = frame(b'{"a":"\xc3\xa4"}') + b": a comment\n\n" + b"event: x\ndata:1\ndata: 2\n\n" + frame(b"[DONE]")
PAYLOADS = [b'{"a":"\xc3\xa4"}', b"1\n2", b"[DONE]"]


def fed(pieces: list[bytes]) -> list[bytes]:
    decoder = Decoder()
    return [payload for piece in pieces for payload in decoder.feed(piece)]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_any_cut_in_two_gives_the_same_payloads(newline: bytes) -> None:
    wire = WIRE.replace(b"\n", newline)
    for cut in range(len(wire)):
        assert fed([wire[:cut], wire[cut:]]) == PAYLOADS


@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"\r"]), min_size=WIRE.count(b"\n"), max_size=WIRE.count(b"\n"))
)
def test_lines_may_end_in_every_way_at_once_and_come_byte_by_byte(ends: list[bytes]) -> None:
    lines = WIRE.split(b"\n")
    wire = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    # "\r" and an empty line's "\n" are together one end of a line and not two: where they meet, frames flow together.
    if b"\r\n".join(lines).count(b"\r\n") == len(re.findall(rb"\r\n|\r|\n", wire)):
        assert fed([bytes([byte]) for byte in wire]) == PAYLOADS


@pytest.mark.parametrize("cut", range(5))
def test_a_byte_order_mark_hides_no_frame(cut: int) -> None:
    wire = b"\xef\xbb\xbf" + WIRE
    assert fed([wire[:cut], wire[cut:]]) == PAYLOADS


def test_a_frame_without_payload_says_nothing() -> None:
    assert fed([b"data:\n\ndata: \n\ndata\n\n" + WIRE]) == PAYLOADS


@given(st.lists(st.integers(0, len(WIRE)), max_size=8))
def test_any_cuts_give_the_same_payloads(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WIRE)]
    assert fed([WIRE[a:b] for a, b in pairwise(edges)]) == PAYLOADS


def test_an_unfinished_frame_is_no_payload() -> None:
    assert fed([b"data: half"]) == []


def test_a_frame_without_end_is_refused() -> None:
    with pytest.raises(FrameTooLong):
        fed([b"data: " + b"x" * LONGEST_FRAME_BYTES])
