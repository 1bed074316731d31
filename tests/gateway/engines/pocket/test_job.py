from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.engines.pocket.job import Delta, Drawn, Job, Row, Sampling

EOS = frozenset({0})


def letters(tokens: Sequence[int]) -> str:
    return "".join(chr(token) for token in tokens if token)


def row(**asked: object) -> Row:
    sampling = replace(Sampling(max_tokens=100), **asked)  # type: ignore[arg-type]
    return Row(Job("v", (1,), sampling, seed=5, n=4), 2, letters, EOS)


def taken(row: Row, text: str) -> list[Delta]:
    return [row.take(Drawn(ord(letter))) for letter in text]


def test_an_end_of_text_stops_and_says_nothing_of_itself() -> None:
    assert taken(row(), "a\0") == [Delta(2, Drawn(97), "a"), Delta(2, Drawn(0), "", "stop")]


def test_the_last_allowed_token_is_told_and_ends_for_length() -> None:
    assert [(d.text, d.finish_reason) for d in taken(row(max_tokens=2), "ab")] == [
        ("a", None),
        ("b", "length"),
    ]


def test_a_stop_string_is_named_and_left_out() -> None:
    last = taken(row(stop=("lo",)), "hello")[-1]
    assert (last.text, last.finish_reason, last.stop_reason) == ("", "stop", "lo")


def test_a_stop_token_is_named_and_left_out() -> None:
    last = taken(row(stop_tokens=frozenset({98})), "ab")[-1]
    assert (last.text, last.finish_reason, last.stop_reason) == ("", "stop", 98)


def test_text_held_for_a_stop_string_is_told_when_the_answer_ends_otherwise() -> None:
    assert [delta.text for delta in taken(row(stop=("abc",)), "ab\0")] == ["", "", "ab"]


def test_the_end_of_text_can_be_ignored() -> None:
    assert taken(row(ignore_eos=True), "\0")[-1].finish_reason is None


def test_until_min_tokens_nothing_ends_an_answer() -> None:
    young = row(min_tokens=2, stop=("a",), stop_tokens=frozenset({7}))
    assert list(young.banned) == [0, 7]
    assert [delta.text for delta in taken(young, "ab")] == ["a", "b"]
    assert not young.banned


@pytest.mark.parametrize("seed", [-1, 0, 3, 2**70])
def test_a_choice_draws_from_the_seed_plus_its_place(seed: int) -> None:
    noises = [
        Row(Job("v", (1,), Sampling(9), seed + k, 4), 3 - k, letters, EOS).noise.random() for k in range(3)
    ]
    assert len(set(noises)) == 1
