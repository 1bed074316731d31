"""Texts as hashed word and character n-grams, by whole-array arithmetic: linear, and the loops are numpy's."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_letters, digits

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Indices = NDArray[np.int64]

BUCKET_BITS = 20
BUCKETS = 1 << BUCKET_BITS  # tables hold a smaller power of two, and use the low bits
# All arithmetic is modulo 2^32, which the processor does eight numbers at a time.
ODD = np.uint32(0x9E3779B1)
INVERSE = np.uint32(pow(0x9E3779B1, -1, 1 << 32))
NEAR, FAR, THREE = (np.uint32(s) for s in (0x6659FD93, 0x78BD642F, 0xA0B428DB))
GRAM_SIZES = (3, 4, 5)
BLOCK_WORDS = 16
CHUNK_WORDS = 256  # worked on at once, so that it stays in the processor's cache
LONGEST_WORD = 60  # bytes; what is longer, as text without spaces is, counts as several words
ENDLESS = re.compile(rb"[^ ]{60}(?=[^ ])")
APOSTROPHE = re.compile("['\u2019`]")
DIGITS = re.compile(r"\d+")
ACCENTS = re.compile("[\u0300-\u036f]")
LAST_ACCENTED = "\u2000"
SEPARATORS = re.compile(r"[\W_]+")
SPACE = ord(" ")
ZEROS = re.compile(b"00+")
# What becomes of each byte of ASCII: a letter, a digit or a separator.
FOLDED = bytes(
    ord(char.lower()) if char in ascii_letters else ord("0") if char in digits else SPACE
    for char in map(chr, range(256))
)


def geometric(ratio: np.uint32, size: int) -> Codes:
    """ratio^1 to ratio^size, modulo 2^32."""
    return np.cumprod(np.full(size, ratio), dtype=np.uint32)


POWERS, SHIFTS = geometric(ODD, 4096), geometric(INVERSE, 4096)  # enough for most texts
WORDS_BEFORE = np.arange(1, CHUNK_WORDS + 1, dtype=np.int16)
NO_BLOCKS = np.empty(0, np.int16)
EARLY, VERY_FIRST = np.uint32(0xC2B2AE35), np.uint32(0x85EBCA6B)
FIRST_WORDS, VERY_FIRST_WORDS, LONGEST_OPENING = 40, 12, 400


@dataclass(frozen=True, slots=True)
class Chunk:
    """The n-grams of up to 256 words, and the block of each: sixteen words and what begins in them."""

    buckets: Indices
    blocks: NDArray[np.int16]
    size: int  # how many blocks there are


def grams(text: str) -> Indices:
    """The buckets of all words, pairs with at most one word between, triples, and 3 to 5 bytes of a word."""
    found = [chunk.buckets for chunk in chunks(text)]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def chunks(text: str) -> Iterator[Chunk]:
    """The n-grams of a text, so many words at a time."""
    plain = normal(text)
    if not plain:
        return
    if len(plain) > LONGEST_WORD:
        plain = ENDLESS.sub(rb"\g<0> ", plain)
    if plain.count(b" ") < CHUNK_WORDS:
        yield chunk_of(plain)
        return
    words = plain.split(b" ")
    for start in range(0, len(words), CHUNK_WORDS):
        yield chunk_of(b" ".join(words[start : start + CHUNK_WORDS]))


def chunk_of(plain: bytes) -> Chunk:
    """The n-grams of some words between single spaces."""
    data = np.frombuffer(b" %b " % plain, dtype=np.uint8)
    is_space = data == SPACE
    spaces = is_space.nonzero()[0]
    words = word_codes(data, spaces)
    parts = [words, *sequences(words)]
    places = [WORDS_BEFORE[: len(part)] for part in parts]
    passed = is_space.cumsum(dtype=np.int16)
    for kept, codes in byte_grams(data, passed):
        parts.append(codes)
        places.append(passed[kept])
    buckets = scattered(np.concatenate(parts))
    if len(words) <= BLOCK_WORDS:
        return Chunk(buckets, NO_BLOCKS, 1)
    blocks = np.concatenate(places)
    blocks -= 1
    blocks //= BLOCK_WORDS
    return Chunk(buckets, blocks, -(-len(words) // BLOCK_WORDS))


def sequences(words: Codes) -> tuple[Codes, Codes, Codes]:
    """Codes of pairs of words, next to each other or with one between, and of triples."""
    first = words[:-1] * NEAR
    near = first + words[1:]
    far = words[:-2] * FAR
    far += words[2:]
    three = near[1:] + words[:-2] * THREE
    return near, far, three


def opening(text: str) -> Indices:
    """How a text begins: its first words, pairs and triples, told apart from the same at another place."""
    plain = b" ".join(normal(text[:LONGEST_OPENING]).split()[:FIRST_WORDS])
    if not plain:
        return np.empty(0, np.int64)
    data = np.frombuffer(b" %b " % plain, dtype=np.uint8)
    words = word_codes(data, (data == SPACE).nonzero()[0])
    near, far, three = sequences(words[:VERY_FIRST_WORDS])
    near, far, three = near * VERY_FIRST, far * VERY_FIRST, three * VERY_FIRST
    return scattered(np.concatenate([words * EARLY, words[:VERY_FIRST_WORDS] * VERY_FIRST, near, far, three]))


def normal(text: str) -> bytes:
    """Lower case, any number as 0, words between single spaces."""
    if text.isascii():
        folded = ZEROS.sub(b"0", text.encode().translate(FOLDED, b"'`"))
        return b" ".join(folded.split())
    bare = unaccented(APOSTROPHE.sub("", text.lower()))
    return SEPARATORS.sub(" ", DIGITS.sub("0", bare)).strip().encode("utf-8", "replace")


def unaccented(text: str) -> str:
    """Letters without accents, where they have a Latin, Greek or Cyrillic letter's."""
    forms = {
        ord(char): form for char in set(text) if not char.isascii() and (form := bare_letter(char)) != char
    }
    return text.translate(forms) if forms else text


@lru_cache(maxsize=16_384)
def bare_letter(char: str) -> str:
    """The letter under an accent; nothing for an accent that stands alone."""
    return ACCENTS.sub("", unicodedata.normalize("NFD", char)) if char < LAST_ACCENTED else char


def word_codes(data: NDArray[np.uint8], spaces: Indices) -> Codes:
    """A code for each word, the same wherever it stands.

    Prefix sums of byte times ODD^position, modulo 2^32, make any span a difference of two, shifted back.
    """
    size = len(data)
    powers, shifts = POWERS[:size], SHIFTS[:size]
    if size > len(POWERS):
        powers, shifts = geometric(ODD, size), geometric(INVERSE, size)
    sums: Codes = ((data.astype(np.uint32) + np.uint32(1)) * powers).cumsum(dtype=np.uint32)
    starts, ends = spaces[:-1] + 1, spaces[1:]
    return (sums[ends - 1] - sums[starts - 1]) * shifts[starts] + (ends - starts).astype(np.uint32)


def byte_grams(data: NDArray[np.uint8], passed: NDArray[np.int16]) -> Iterator[tuple[Indices, Codes]]:
    """Places and codes of the byte n-grams that lie within one word and the spaces around it.

    `passed` says how many spaces there are up to each place.
    """
    wide = data.astype(np.uint32)
    code = wide[:-1] * ODD
    code += wide[1:]
    for size in GRAM_SIZES:
        code = code[:-1] * ODD
        code += wide[size - 1 :]
        kept = (passed[size - 2 : len(data) - 1] == passed[: len(code)]).nonzero()[0]  # no space inside
        yield kept, code[kept]


def scattered(codes: Codes) -> Indices:
    """Codes spread over the buckets; neighbouring codes land far apart."""
    mixed = codes >> np.uint32(15)
    mixed ^= codes
    mixed *= np.uint32(0x2C1B3C6D)
    mixed ^= mixed >> np.uint32(12)
    mixed *= np.uint32(0x297A2D39)
    mixed >>= np.uint32(32 - BUCKET_BITS)
    return mixed.astype(np.int64)
