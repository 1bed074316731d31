"""Passages of numbers, each of which stands for a byte: hexadecimal, binary, octal, decimal."""

import re
from collections.abc import Iterator

HEX = re.compile(r"(?:0x|\\x)?[0-9a-fA-F]{2}(?:[ :,]{0,2}(?:0x|\\x)?[0-9a-fA-F]{2}){7,}")
HEX_PAIR = re.compile(r"(?:0x|\\x)?([0-9a-fA-F]{2})")
BITS = re.compile(r"(?<![0-9])[01]{8}(?:[ ,]{0,2}[01]{8}){4,}(?![0-9])")
# Numbers of two or three digits with little between them, or in calls of a function.
DIGITS = re.compile(
    r"(?<![0-9])[0-9]{2,3}(?:(?:[ ,;]{1,3}|\) ?[+.,&] ?[cC][hH][rR]\()[0-9]{2,3}){5,}(?![0-9])"
)
NUMBER = re.compile("[0-9]+")
NOT_BIT = re.compile("[^01]")


def numbered(text: str) -> Iterator[tuple[int, int, bytes]]:
    """Start, end and bytes of every passage of numbers that could be bytes."""
    for run in HEX.finditer(text):
        yield run.start(), run.end(), bytes.fromhex("".join(HEX_PAIR.findall(run.group())))
    for run in BITS.finditer(text):
        bits = NOT_BIT.sub("", run.group())
        yield run.start(), run.end(), int(bits, 2).to_bytes(len(bits) // 8, "big")
    for run in DIGITS.finditer(text):
        numbers = NUMBER.findall(run.group())
        if all(len(one) == 3 and one[0] in "0123" and not set(one) & {"8", "9"} for one in numbers):
            yield run.start(), run.end(), bytes(int(one, 8) for one in numbers)
        if max(map(int, numbers)) < 256:
            yield run.start(), run.end(), bytes(map(int, numbers))
