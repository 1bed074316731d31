"""What a stream may release: nothing unscreened, nothing by halves, and in the end all of it."""

import contextlib
from collections.abc import Iterable, Sequence
from itertools import pairwise

import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.redaction import redacted
from guards.verdict import Redaction
from guards.window import Piece, Window

CANARY = "TELL-NOBODY-ABOUT-THE-CANARY"
TOKEN = re2.compile(r"\bkey-[a-z0-9]{4,}")


class Blocked(Exception):
    """The piece held the canary."""


def cuts_in(text: str) -> list[Redaction]:
    return [Redaction(*match.span(), "[gone]") for match in TOKEN.finditer(text)]


def screened(piece: Piece) -> list[Redaction]:
    if CANARY in piece.text:
        raise Blocked
    return cuts_in(piece.text)


def stream(chunks: Iterable[str], window: Window) -> list[str]:
    """What a client gets, piece by piece, until the end or the block."""
    sent: list[str] = []
    with contextlib.suppress(Blocked):
        for piece in filter(None, map(window.push, chunks)):
            sent += [window.release(piece, screened(piece))]
        sent += [window.release(window.finish(), screened(window.finish()))]
    return sent


def chunked(text: str, cuts: Sequence[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(places)]


WORDS = st.lists(
    st.sampled_from(["so ", "key-abcd1234 ", "é漢😀 ", "key-zz ", "plain text, ", "xkey-abcdef "])
)
PLACES = st.lists(st.integers(0, 400))


@given(WORDS, PLACES, st.integers(12, 40), st.integers(16, 64))
@settings(max_examples=200)
def test_the_pieces_together_are_the_guarded_text_however_it_arrives(
    words: list[str], places: list[int], hold_back: int, overlap: int
) -> None:
    text = "".join(words)
    assert "".join(stream(chunked(text, places), Window(hold_back, overlap))) == redacted(text, cuts_in(text))


def test_a_canary_cut_at_any_place_is_caught_before_its_last_character_leaves() -> None:
    text = f"{'harmless words ' * 5}{CANARY}{' more words' * 20}"
    for place in range(len(text) + 1):
        sent = "".join(stream([text[:place], text[place:]], Window(8, 64)))
        assert CANARY not in sent
        assert len(sent) < text.index(CANARY) + len(CANARY)


def test_a_canary_that_arrives_letter_by_letter_is_caught_before_its_last_character_leaves() -> None:
    text = f"{'harmless words ' * 5}{CANARY}{' more words' * 20}"
    for hold_back in (0, 1, 8, 64):
        sent = "".join(stream(text, Window(hold_back, 64)))
        assert len(sent) < text.index(CANARY) + len(CANARY)


def test_a_canary_as_the_very_last_word_is_caught() -> None:
    assert CANARY not in "".join(stream(f"short {CANARY}", Window(128, 64)))


def test_a_cut_that_still_grows_is_not_released_however_long_it_gets() -> None:
    text = "key-" + "a" * 500
    window = Window(16, 32)
    sent = "".join(stream(text, window))
    assert sent == "[gone]"


def test_text_leaves_while_the_stream_goes_on() -> None:
    window = Window(16, 32)
    piece = window.push("twenty characters and then some")
    assert piece is not None
    assert window.release(piece) == "twenty characte"


def test_little_new_text_is_not_screened_again() -> None:
    window = Window(16, 32)
    first = window.push("a" * 40)
    assert first is not None
    window.release(first)
    assert window.push("b") is None


def test_a_piece_brings_what_left_last_as_context() -> None:
    window = Window(4, 6)
    first = window.push("abcdefghijklmnopqrst")
    assert first is not None
    window.release(first)
    second = window.push("uvwxyz")
    assert second is not None
    assert (second.text, second.start) == ("klmnopqrstuvwxyz", 10)


def test_an_empty_stream_ends_with_nothing() -> None:
    window = Window(16, 32)
    assert window.release(window.finish()) == ""
