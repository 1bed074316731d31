"""Lines in batches: as many as have come, so that a slow source is answered at once and a fast one in bulk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

READ_BYTES = 1 << 16
MOST_LINES = 256


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines that follow each other; `first` is the number of the first, counted from 1."""

    first: int
    lines: tuple[bytes, ...]


def batches(source: BinaryIO, most: int = MOST_LINES) -> Iterator[Batch]:
    """All lines of a source that are not blank, with their numbers."""
    number = 1
    for lines in arriving(source):
        for start in range(0, len(lines), most):
            yield Batch(number + start, tuple(lines[start : start + most]))
        number += len(lines)


def arriving(source: BinaryIO) -> Iterator[list[bytes]]:
    """Whole lines, as they come; the last may lack its end."""
    pieces: list[bytes] = []
    while data := read_some(source):
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            pieces.append(data)
            continue
        yield b"".join((*pieces, head)).split(b"\n")
        pieces = [rest]
    if last := b"".join(pieces):
        yield [last]


def read_some(source: BinaryIO) -> bytes:
    """What has come, and at the least one byte while there will be any."""
    read1 = getattr(source, "read1", None)
    found: bytes = read1(READ_BYTES) if read1 is not None else source.read(READ_BYTES)
    return found
