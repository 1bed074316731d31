"""Whether a client still takes in what it is sent: else it would keep its place, and an engine's, for ever."""

import sys
from typing import Any

from gateway.clock import Alarm, Clock


class Reading:
    """Watches a connection on which bytes wait to be taken; hangs up when none of them is for long.

    Who reads slowly stays. But what a client takes shows only when its kernel makes room: up to half of its receive
    buffer may be read before any of it is seen here, and who needs longer for that is taken for one who reads nothing.
    """

    def __init__(self, transport: Any, clock: Clock, seconds: float) -> None:
        self._transport = transport
        self._clock = clock
        self._seconds = seconds
        self._alarm: Alarm | None = None

    def watch(self, seconds: float | None = None) -> None:
        """Look again and again until nothing waits, each time after so long."""
        self.stop()
        if self._transport.get_write_buffer_size():
            self._look_after(self._seconds if seconds is None else seconds)

    def stop(self) -> None:
        """The client has caught up, or is gone."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _look_after(self, seconds: float) -> None:
        before = waiting_bytes(self._transport)

        def look() -> None:
            if waiting_bytes(self._transport) >= before:
                self._transport.abort()
            elif self._transport.get_write_buffer_size():
                self._look_after(seconds)
            else:
                self._alarm = None

        self._alarm = self._clock.after(seconds, look)


def waiting_bytes(transport: Any) -> int:
    """Bytes that the client has not taken: those in our buffer, and under Linux those in the kernel's."""
    return int(transport.get_write_buffer_size()) + _in_kernel(transport.get_extra_info("socket"))


def _in_kernel(connection: Any) -> int:
    """A client may take many of these before the kernel takes more of ours."""
    if not sys.platform.startswith("linux"):
        return 0
    import fcntl  # noqa: PLC0415
    import termios  # noqa: PLC0415

    try:
        return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:  # it has just been closed
        return 0
