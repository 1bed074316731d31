"""Server-sent events: payloads survive every way of being cut."""

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
    # A closing "\r" is told from "\r\n" by what follows; a real stream is followed by more or by its end.
    tail = b"\n" if newline == b"\r" else b""
    for cut in range(len(wire)):
        assert fed([wire[:cut], wire[cut:], tail]) == PAYLOADS


@given(st.lists(st.integers(0, len(WIRE)), max_size=8))
def test_any_cuts_give_the_same_payloads(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WIRE)]
    assert fed([WIRE[a:b] for a, b in pairwise(edges)]) == PAYLOADS


def test_an_unfinished_frame_is_no_payload() -> None:
    assert fed([b"data: half"]) == []


def test_a_frame_without_end_is_refused() -> None:
    with pytest.raises(FrameTooLong):
        fed([b"data: " + b"x" * LONGEST_FRAME_BYTES])
