"""The journal's framing: one record a line, `length checksum payload`, so that damage stays where it is.

A payload holds no newline (JSON on one line never does): a reader finds its feet at the next one.
"""

import zlib


def frame(payload: bytes) -> bytes:
    """The line that stands for a payload."""
    return b"%d %08x %s\n" % (len(payload), zlib.crc32(payload), payload)


def unframe(line: bytes) -> bytes | None:
    """The payload of a line, or None when the line is torn or damaged."""
    length, _, rest = line.partition(b" ")
    checksum, _, payload = rest.removesuffix(b"\n").partition(b" ")
    whole = line.endswith(b"\n") and length == b"%d" % len(payload)
    return payload if whole and checksum == b"%08x" % zlib.crc32(payload) else None
