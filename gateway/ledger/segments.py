"""The journal's files: numbered segments in a directory that one process owns, and one thread writes."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gateway.ledger.contract import LedgerConflict, LedgerFull
from gateway.ledger.frames import frame, unframe

SUFFIX = ".journal"
# What one read holds in memory, roughly: records are kilobytes, but nobody promises that.
READ_BYTES = 16 << 20
COUNT_BYTES = 1 << 20


class Place(NamedTuple):
    """A place in the journal: all of the earlier segments, and `offset` bytes of this one."""

    segment: int
    offset: int


class Segments:
    """Appends to the newest segment; never to one that an earlier process wrote, whose tail may be torn."""

    def __init__(self, directory: Path, *, segment_bytes: int, limit_bytes: int) -> None:
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._limit_bytes = limit_bytes
        self._lock: int | None = None
        self._file: int | None = None
        self.end = Place(0, 0)  # where the next record will stand
        self._kept_bytes = 0  # of all segments before the one being written
        self.left_records = 0  # that an earlier process left, whether or not the database has them

    def open(self) -> Place:
        """Take the directory, and say where the first new record will stand."""
        self._lock = _take(self.directory)
        self._kept_bytes = sum(path.stat().st_size for path in _paths(self.directory))
        self.left_records = sum(map(_lines_in, _paths(self.directory)))
        self.end = Place(max(numbers(self.directory), default=0) + 1, 0)
        return self.end

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return self._kept_bytes + self.end.offset

    def append(self, payloads: list[bytes]) -> Place:
        """Write the records and make them durable; raises LedgerFull, and then none of them counts."""
        data = b"".join(map(frame, payloads))
        if self.size_bytes + len(data) > self._limit_bytes:
            raise LedgerFull(f"the journal holds {self.size_bytes} bytes that the database has not taken")
        if self._file is not None and self.end.offset >= self._segment_bytes:
            self.rotate()
        try:
            self._write(data)
        except OSError as error:
            self._abandon()
            raise LedgerFull(
                f"the journal in {self.directory} cannot be written: {error.strerror}"
            ) from error
        return self.end

    def _write(self, data: bytes) -> None:
        if self._file is None or os.fstat(self._file).st_nlink == 0:  # deleted under us: durable nowhere
            self.rotate()
            self._file = _create(self.directory, self.end.segment)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        os.fdatasync(self._file)
        self.end = Place(self.end.segment, self.end.offset + len(data))

    def _abandon(self) -> None:
        """After a failed write, what stands beyond the last good record is unknown: cut it, move on."""
        with suppress(OSError):
            if self._file is not None:
                os.ftruncate(self._file, self.end.offset)
            if self.end.offset == 0:
                (self.directory / _name(self.end.segment)).unlink()
        self.rotate()

    def rotate(self) -> Place:
        """End the segment being written, so that it can be deleted once the database has it."""
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None
        self._kept_bytes += self.end.offset
        self.end = Place(self.end.segment + 1, 0)
        return self.end

    def delete_before(self, number: int) -> None:
        """Delete the segments below `number`; one that resists is tried again, or replayed without effect."""
        with suppress(OSError):
            for path in _paths(self.directory):
                if _number(path) < number:
                    with suppress(OSError):
                        path.unlink()
            earlier = [path for path in _paths(self.directory) if _number(path) < self.end.segment]
            self._kept_bytes = sum(path.stat().st_size for path in earlier)

    def close(self) -> None:
        """End the segment and let the directory go."""
        self.rotate()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def read(directory: Path, start: Place, end: Place, limit: int) -> tuple[list[bytes | None], Place]:
    """Up to `limit` records in [start, end) and the place after them; None stands for a damaged line.

    Raises OSError when the disk does not give them; what has been deleted holds none.
    """
    records: list[bytes | None] = []
    enough = READ_BYTES
    for number in (n for n in numbers(directory) if start.segment <= n <= end.segment):
        place = start if number == start.segment else Place(number, 0)
        stop = end.offset if number == end.segment else None
        for line in _lines(directory / _name(number), place.offset, stop):
            records.append(unframe(line))
            place = Place(number, place.offset + len(line))
            enough -= len(line)
            if len(records) == limit or enough < 0:
                return records, place
    return records, max(start, end)


def _lines(path: Path, offset: int, stop: int | None) -> Iterator[bytes]:
    with suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            if not line.endswith(b"\n") or (stop is not None and offset > stop):  # torn, or not yet durable
                return
            yield line


def _lines_in(path: Path) -> int:
    """How many whole lines a segment has."""
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(COUNT_BYTES), b""))


def numbers(directory: Path) -> list[int]:
    """The segments there are, in order."""
    return sorted(map(_number, _paths(directory)))


def _paths(directory: Path) -> list[Path]:
    """The segments' files; raises OSError, where a glob takes a directory it cannot read for an empty one."""
    with suppress(FileNotFoundError):
        return [path for path in directory.iterdir() if path.suffix == SUFFIX and path.stem.isdigit()]
    return []


def _number(path: Path) -> int:
    return int(path.stem)


def _name(number: int) -> str:
    return f"{number:012}{SUFFIX}"


def _take(directory: Path) -> int:
    """Lock the directory for this process; the lock goes with the process, however it ends."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerFull(f"the journal cannot be kept in {directory}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise LedgerConflict(f"the journal in {directory} belongs to a process that is running") from error
    return lock


def _create(directory: Path, number: int) -> int:
    """A new segment whose very name is durable."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    file = os.open(directory / _name(number), flags, 0o600)
    try:
        _sync_names(directory)
    except OSError:
        os.close(file)
        raise
    return file


def _sync_names(directory: Path) -> None:
    folder = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
