"""Work for several processes, whose answers come in the work's order; little of it is ever held at once."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from queue import Queue
from threading import Thread
from typing import TypeVar

AHEAD = 3  # pieces that each process has waiting, so that it never waits itself
Piece = TypeVar("Piece")
Answer = TypeVar("Answer")
Waiting = Queue[Future[Answer] | BaseException | None]


def in_order(
    pieces: Iterable[Piece], work: Callable[[Piece], Answer], pool: ProcessPoolExecutor, processes: int
) -> Iterator[Answer]:
    """Each piece goes to whichever process is free; no answer waits for a later piece to come."""
    waiting: Waiting[Answer] = Queue(processes * AHEAD)
    Thread(target=submit, args=(pieces, work, pool, waiting), daemon=True, name="pieces").start()
    while (each := waiting.get()) is not None:
        if isinstance(each, BaseException):
            raise each
        yield each.result()


def submit(
    pieces: Iterable[Piece],
    work: Callable[[Piece], Answer],
    pool: ProcessPoolExecutor,
    waiting: "Waiting[Answer]",
) -> None:
    """Reads ahead, as far as the queue goes; the last word is None, or why there can be no more."""
    try:
        for piece in pieces:
            waiting.put(pool.submit(work, piece))
    except (OSError, RuntimeError) as error:  # what is read cannot be read on, or the pool is gone
        waiting.put(error)
    else:
        waiting.put(None)
