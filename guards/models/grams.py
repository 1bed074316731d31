"""Texts as hashed word and character n-grams, by whole-array arithmetic: time is linear and the loop is numpy's."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint64]
Indices = NDArray[np.int64]

ODD = np.uint64(0x9E3779B97F4A7C15)
INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
WORD_SALTS = [np.uint64(salt) for salt in (0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB)]
GRAM_SIZES = (3, 4, 5)
APOSTROPHE = re.compile(r"['’`]")
DIGITS = re.compile(r"\d+")
SEPARATORS = re.compile(r"[\W_]+")
SPACE = ord(" ")


def geometric(ratio: np.uint64, size: int) -> Codes:
    """ratio^1 to ratio^size, modulo 2^64."""
    return np.cumprod(np.full(size, ratio), dtype=np.uint64)


POWERS, SHIFTS = geometric(ODD, 4096), geometric(INVERSE, 4096)  # enough for most texts


@dataclass(frozen=True, slots=True)
class Grams:
    """The features of a text: bucket numbers, and for each the word that it belongs to."""

    buckets: Indices
    words: Indices
    word_count: int


def grams(text: str, buckets: int) -> Grams:
    """Words, pairs of words with at most one between, triples, and 3 to 5 bytes within words."""
    plain = normal(text)
    if not plain:
        return Grams(np.empty(0, np.int64), np.empty(0, np.int64), 0)
    data = np.frombuffer(f" {plain} ".encode("utf-8", "replace"), dtype=np.uint8)
    is_space = data == SPACE
    spaces = np.flatnonzero(is_space)
    codes, owners = word_grams(word_codes(data, spaces))
    inner_codes, inner_owners = byte_grams(data, is_space)
    every = np.concatenate([*codes, *inner_codes])
    return Grams(scattered(every, buckets), np.concatenate([*owners, *inner_owners]), len(spaces) - 1)


def normal(text: str) -> str:
    """Lower case, any number as 0, words between single spaces."""
    bare = APOSTROPHE.sub("", text.lower())
    return SEPARATORS.sub(" ", DIGITS.sub("0", bare)).strip()


def word_codes(data: NDArray[np.uint8], spaces: Indices) -> Codes:
    """A code for each word, the same wherever it stands.

    Prefix sums of byte × ODD^position modulo 2^64 make any span a difference of two, shifted back to the origin.
    """
    size = len(data)
    powers, shifts = POWERS[:size], SHIFTS[:size]
    if size > len(POWERS):
        powers, shifts = geometric(ODD, size), geometric(INVERSE, size)
    sums = np.cumsum((data.astype(np.uint64) + np.uint64(1)) * powers)
    starts, ends = spaces[:-1] + 1, spaces[1:]
    return (sums[ends - 1] - sums[starts - 1]) * shifts[starts] + (ends - starts).astype(np.uint64)


def word_grams(words: Codes) -> tuple[list[Codes], list[Indices]]:
    """Codes of words, neighbours, neighbours but one, and triples, each owned by its first word."""
    owners = np.arange(len(words))
    near, far, three = WORD_SALTS
    codes = [words, words[:-1] * near + words[1:], words[:-2] * far + words[2:]]
    codes.append(words[:-2] * three + words[1:-1] * near + words[2:])
    return codes, [owners[: len(code)] for code in codes]


def byte_grams(data: NDArray[np.uint8], is_space: NDArray[np.bool_]) -> tuple[list[Codes], list[Indices]]:
    """Codes of the byte n-grams that lie within one word and the spaces around it."""
    passed = np.cumsum(is_space)
    wide = data.astype(np.uint64)
    code = wide[:-1] * ODD + wide[1:]
    codes, owners = [], []
    for size in GRAM_SIZES:
        code = code[:-1] * ODD + wide[size - 1 :]
        starts = np.flatnonzero(passed[size - 2 : len(data) - 1] == passed[: len(code)])  # no space inside
        codes.append(code[starts])
        owners.append(passed[starts] - 1)
    return codes, owners


def scattered(codes: Codes, buckets: int) -> Indices:
    """Codes spread over the buckets, a power of two; neighbouring codes land far apart."""
    mixed = codes ^ (codes >> np.uint64(29))
    mixed = mixed * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    return (mixed & np.uint64(buckets - 1)).astype(np.int64)
