from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.engines.pocket.text import Detokenizer, Writer, bytes_of, first_stop, longest_beginning


def utf8(tokens: Sequence[int]) -> str:
    """A byte-level vocabulary at its plainest: every token is a byte."""
    return bytes(tokens).decode(errors="replace")


@given(some.text(alphabet=some.characters(exclude_categories=["Cs"], exclude_characters="\ufffd")))
def test_pieces_add_up_to_the_text_and_none_is_half_a_character(text: str) -> None:
    detokenizer = Detokenizer(utf8)
    pieces = [detokenizer.push(byte) for byte in text.encode()]
    assert "".join(pieces) == text
    assert "\ufffd" not in "".join(pieces)


@given(some.binary())
def test_what_is_no_text_at_all_still_comes_out_once(data: bytes) -> None:
    detokenizer = Detokenizer(utf8)
    said = "".join(detokenizer.push(byte) for byte in data) + detokenizer.rest()
    assert said.rstrip("\ufffd") == utf8(data).rstrip("\ufffd")


def test_a_token_that_is_written_differently_when_first_keeps_its_space() -> None:
    words = ["▁the", "▁cat", "s"]

    def decode(tokens: Sequence[int]) -> str:
        return "".join(words[token] for token in tokens).replace("▁", " ").removeprefix(" ")

    detokenizer = Detokenizer(decode)
    assert [detokenizer.push(token) for token in (0, 1, 2, 1)] == ["the", " cat", "s", " cat"]


def test_half_a_character_at_the_end_is_left_out() -> None:
    writer = Writer(utf8)
    pieces = [writer.write(byte) for byte in "né".encode()[:2]]
    assert "".join([*pieces, writer.close()]) == "n"


def spoken(text: str, stops: Sequence[str], **how: bool) -> tuple[str, str | None, list[str]]:
    writer, pieces = Writer(utf8, stops, **how), []
    for byte in text.encode():
        pieces.append(writer.write(byte))
        if writer.stopped is not None:
            return "".join(pieces), writer.stopped, pieces
    return "".join([*pieces, writer.close()]), None, pieces


@pytest.mark.parametrize(
    ("text", "stops", "said", "stopped"),
    [
        ("one STOP two", ["STOP"], "one ", "STOP"),
        ("one STO", ["STOP"], "one STO", None),
        ("one SSTOP", ["STOP"], "one S", "STOP"),
        ("aab", ["ab", "b"], "a", "ab"),
        ("über café!", ["é!"], "über caf", "é!"),
        ("no stops", [], "no stops", None),
    ],
)
def test_an_answer_ends_before_its_first_stop(
    text: str, stops: list[str], said: str, stopped: str | None
) -> None:
    assert spoken(text, stops)[:2] == (said, stopped)


def test_nothing_that_may_become_a_stop_is_told_early() -> None:
    _, _, pieces = spoken("x STOx", ["STOP"])
    assert pieces == ["x", " ", "", "", "", "STOx"]


def test_a_stop_is_kept_where_that_is_asked_for() -> None:
    assert spoken("one STOP two", ["STOP"], keep_stop=True)[0] == "one STOP"


@given(some.text("ab"), some.lists(some.text("ab", min_size=1, max_size=3), max_size=3))
def test_writing_piece_by_piece_stops_where_searching_the_whole_would(text: str, stops: list[str]) -> None:
    said, stopped, _ = spoken(text, stops)
    ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
    whole = text[: min(ends)] if ends else text
    found = first_stop(whole, stops)
    assert (said, stopped) == ((whole[: found[0]], found[1]) if found else (text, None))


def test_the_longest_beginning_counts() -> None:
    assert longest_beginning("xaba", ["abac", "ac"]) == 3


def test_bytes_of_half_a_character_are_its_own() -> None:
    assert bytes_of("Ã", "\ufffd") == [0xC3]
    assert bytes_of("Ġhi", " hi") == [0x20, 0x68, 0x69]
