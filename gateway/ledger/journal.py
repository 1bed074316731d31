"""The journal: records made durable on local disk, many waiting callers to one fsync.

One thread writes. While it syncs a batch, whoever arrives waits in the next one: batches grow with load, and
nobody waits for a timer.
"""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from gateway.ledger.contract import LedgerFull
from gateway.ledger.segments import Place, Segments, read

Waiter = asyncio.Future[None]
# Of a journal that nobody gave another: a database may be away for some hundred thousand flagged exchanges.
LIMIT_BYTES = 1 << 30


class Journal:
    """An append-only log in a directory of its own, at most `limit_bytes` large; up to `durable` it is safe on disk."""

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = 8 << 20,
        limit_bytes: int = LIMIT_BYTES,
        patience_seconds: float = 10.0,
    ) -> None:
        self._segments = Segments(directory, segment_bytes=segment_bytes, limit_bytes=limit_bytes)
        self.limit_bytes = limit_bytes
        self._patience_seconds = patience_seconds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._waiting: dict[Waiter, bytes] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self.durable = Place(0, 0)
        self.records = (
            0  # in it since it was opened, those that were left in it by an earlier process among them
        )
        self.failures = 0  # records that it refused
        self.trouble: str | None = None  # why the last append failed; None once one has succeeded

    async def open(self) -> None:
        """Take the directory; raises LedgerFull when it cannot be had, LedgerConflict when another has it."""
        loop = asyncio.get_running_loop()
        self.durable = await loop.run_in_executor(self._thread, self._segments.open)
        self.records = self._segments.left_records

    @property
    def size_bytes(self) -> int:
        """Bytes on disk that the database may not have yet."""
        return self._segments.size_bytes

    @property
    def unsealed_bytes(self) -> int:
        """Bytes in the segment that is being written, which cannot be deleted yet."""
        return self._segments.end.offset

    async def append(self, payload: bytes) -> None:
        """Return once the record is durable; raises LedgerFull when disk or limit forbid, or `patience` is over.

        A caller that is cancelled while it waits leaves its record behind, to be written with the others.
        """
        if self._closed:
            raise LedgerFull("the journal is closed")
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = payload
        self._commit()
        try:
            async with asyncio.timeout(self._patience_seconds):
                await waiter
        except TimeoutError:
            self._waiting.pop(waiter, None)
            self.failures += 1
            self.trouble = f"the disk has not confirmed a record within {self._patience_seconds:g} s"
            raise LedgerFull(self.trouble) from None

    def _commit(self) -> None:
        """Hand everyone who waits to the thread; if it is at work, they go together when it is done."""
        if not self._waiting or not self._idle.is_set():
            return
        waiters, payloads = list(self._waiting), list(self._waiting.values())
        self._waiting.clear()
        self._idle.clear()
        loop = asyncio.get_running_loop()
        written = self._thread.submit(self._segments.append, payloads)
        written.add_done_callback(lambda done: loop.call_soon_threadsafe(self._committed, done, waiters))

    def _committed(self, written: "Future[Place]", waiters: list[Waiter]) -> None:
        error = written.exception()
        self.trouble = None if error is None else str(error)
        if error is None:
            self.durable = max(self.durable, written.result())
            self.records += len(waiters)
        for waiter in waiters:
            if waiter.done():  # its caller has left
                continue
            if error is None:
                waiter.set_result(None)
            else:
                self.failures += 1
                waiter.set_exception(error)
        self._idle.set()
        self._commit()

    async def read(self, start: Place, limit: int) -> tuple[list[bytes | None], Place]:
        """Up to `limit` durable records from `start`, None for a damaged one, and the place after them."""
        return await asyncio.to_thread(read, self._segments.directory, start, self.durable, limit)

    async def rotate(self) -> None:
        """End the segment being written, so that `delete_before` can reach it."""
        loop = asyncio.get_running_loop()
        end = await loop.run_in_executor(self._thread, self._segments.rotate)
        self.durable = max(self.durable, end)

    async def delete_before(self, place: Place) -> None:
        """Delete the segments that lie wholly before `place`."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._segments.delete_before, place.segment)

    async def close(self) -> None:
        """Answer everyone who waits, then let the directory go."""
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_seconds):
                while self._waiting or not self._idle.is_set():
                    await self._idle.wait()
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._thread, self._segments.close)
        self._thread.shutdown(wait=False)
