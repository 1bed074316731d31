"""Server-sent events: bytes to payloads and back; pure.

FrameTooLong     a frame grew beyond every bound without coming to its end
"""

LONGEST_FRAME_BYTES = 4 * 1024 * 1024
DONE = b"[DONE]"
LAST_FRAME = b"data: [DONE]\n\n"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which may stand before the first frame, and is none of it


class FrameTooLong(ValueError):
    """A frame grew beyond every bound without coming to its end."""


class Decoder:
    """Cuts a stream of bytes, however they were split on the way, into the frames' payloads."""

    def __init__(self) -> None:
        self._rest = b""
        self._after_cr = False  # then a "\n" is the other half of a line's end, and no line of its own
        self._begun = False  # whether it is known if a byte order mark stands before the first frame

    def feed(self, received: bytes) -> list[bytes]:
        """The payloads completed by these bytes; comments, other fields and empty payloads are left out."""
        buffer = self._rest + self._in_lines(received)
        if not self._begun:
            if BYTE_ORDER_MARK.startswith(buffer) and buffer != BYTE_ORDER_MARK:
                self._rest = buffer
                return []
            self._begun = True
            buffer = buffer.removeprefix(BYTE_ORDER_MARK)
        *frames, self._rest = buffer.split(b"\n\n")
        if len(self._rest) > LONGEST_FRAME_BYTES:
            raise FrameTooLong(f"no frame may be longer than {LONGEST_FRAME_BYTES} bytes")
        return [payload for payload in map(_payload, frames) if payload is not None]

    def _in_lines(self, received: bytes) -> bytes:
        """The same bytes, each line's end, "\r\n" or a lone "\r" too, as a "\n"."""
        if self._after_cr and received:
            self._after_cr = False
            received = received.removeprefix(b"\n")
        if b"\r" not in received:
            return received
        self._after_cr = received.endswith(b"\r")
        return received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def frame(payload: bytes) -> bytes:
    """A payload of one line (JSON has no other) as a frame."""
    return b"data: " + payload + b"\n\n"


def event_frame(name: str, payload: bytes) -> bytes:
    """The same under an event's name, which clients of some surfaces listen for."""
    return b"event: " + name.encode() + b"\n" + frame(payload)


def _payload(frame: bytes) -> bytes | None:
    if frame.startswith(b"data: ") and b"\n" not in frame:
        return frame[6:] or None
    data = [line[5:].removeprefix(b" ") for line in frame.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(data) or None
