"""Server-sent events: bytes to payloads and back; pure.

FrameTooLong     a frame grew beyond every bound without coming to its end
"""

LONGEST_FRAME_BYTES = 4 * 1024 * 1024
DONE = b"[DONE]"
LAST_FRAME = b"data: [DONE]\n\n"


class FrameTooLong(ValueError):
    """A frame grew beyond every bound without coming to its end."""


class Decoder:
    """Cuts a stream of bytes, however they were split on the way, into the frames' payloads."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, received: bytes) -> list[bytes]:
        """The payloads completed by these bytes; comments and other fields are left out."""
        buffer = self._rest + received
        if b"\r" in buffer:
            # A lone "\r" at the end may be half of "\r\n": it waits for its other half.
            held = b"\r" if buffer.endswith(b"\r") else b""
            buffer = buffer.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        *frames, self._rest = buffer.split(b"\n\n")
        if len(self._rest) > LONGEST_FRAME_BYTES:
            raise FrameTooLong(f"no frame may be longer than {LONGEST_FRAME_BYTES} bytes")
        return [payload for payload in map(_payload, frames) if payload is not None]


def frame(payload: bytes) -> bytes:
    """A payload of one line (JSON has no other) as a frame."""
    return b"data: " + payload + b"\n\n"


def _payload(frame: bytes) -> bytes | None:
    if frame.startswith(b"data: ") and b"\n" not in frame:
        return frame[6:]
    data = [line[5:].removeprefix(b" ") for line in frame.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(data) if data else None
