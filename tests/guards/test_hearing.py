"""Where guards do their work: ordinary text at once, much text in threads, and nothing after its time."""

import asyncio
import threading
import time

from guards.hearing import AT_A_TIME, AT_ONCE_CHARS
from guards.verdict import Context, Segment, Verdict
from tests.fakes.guards import WordGuard, word_screen

MANY = [Segment("short", "prompt")] * 10_000


class Busy(WordGuard):
    """Computes on the event loop for a while, and never gives it back by itself."""

    async def check(self, segment: Segment, context: Context) -> Verdict:
        time.sleep(0.001)  # noqa: ASYNC251 - which is what a badly written guard does
        return await super().check(segment, context)


class Thinker(WordGuard):
    """Computes, wherever it is told to; notes where that was, and waits for `go` if there is one."""

    def __init__(self, go: threading.Event | None = None) -> None:
        super().__init__()
        self.go = go
        self.threads: set[int] = set()

    async def check(self, segment: Segment, context: Context) -> Verdict:
        return self.check_now(segment, context)

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        return (segment.text,)

    def weighs(self, segment: Segment, context: Context) -> int:
        return len(segment.text)

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        self.threads.add(threading.get_ident())
        self.shown.append(segment)
        if self.go is None:
            time.sleep(0.001)
        else:
            self.go.wait(30)
        return Verdict(self.name, {})


async def test_a_guard_that_never_waits_is_stopped_at_its_time_all_the_same() -> None:
    guard = Busy()
    screening = await word_screen(patience_ms=50, guard=guard).prompt(MANY)
    assert screening.failures[0].reason == "had not answered within 0.05 s"
    assert len(guard.shown) < len(MANY)


async def test_many_short_texts_are_judged_beside_the_event_loop() -> None:
    guard = Thinker(go := threading.Event())
    screening = asyncio.create_task(word_screen(patience_ms=30_000, guard=guard).prompt(MANY[:200]))
    while not guard.threads:
        await asyncio.sleep(0.001)  # which it could not, were the guard waiting on the event loop
    go.set()
    assert not (await screening).failures
    assert guard.threads.isdisjoint({threading.get_ident()})


async def test_a_thread_stops_soon_after_its_guards_time() -> None:
    guard = Thinker()
    screen = word_screen(patience_ms=50, guard=guard)
    assert (await screen.prompt(MANY)).failures
    screen.threads.shutdown(wait=True)  # returns once every thread has stopped
    assert len(guard.shown) < len(MANY)


async def test_an_ordinary_text_is_judged_at_once() -> None:
    guard = Thinker()
    await word_screen(patience_ms=30_000, guard=guard).prompt([Segment("x" * (AT_ONCE_CHARS // 2), "prompt")])
    assert guard.threads == {threading.get_ident()}


async def test_what_a_late_thread_finds_changes_nothing_that_was_decided() -> None:
    guard = Thinker(go := threading.Event())
    screen = word_screen(patience_ms=50, guard=guard)
    screening = await screen.prompt(MANY[:200])
    go.set()
    screen.threads.shutdown(wait=True)
    assert (screening.verdicts, screening.scanned_bytes) == ((), 0)


class Waiting(WordGuard):
    """Waits for somebody; notes how many wait at once."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = self.most = 0

    async def check(self, segment: Segment, context: Context) -> Verdict:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await asyncio.sleep(0)
        self.waiting -= 1
        return await super().check(segment, context)


async def test_a_guard_that_waits_is_asked_about_several_segments_at_once_and_not_about_all() -> None:
    guard = Waiting()
    segments = [Segment(str(number), "prompt") for number in range(3 * AT_A_TIME)]
    screening = await word_screen(patience_ms=30_000, guard=guard).prompt(segments)
    assert guard.most == AT_A_TIME
    assert {segment.text for segment in guard.shown} == {segment.text for segment in segments}
    assert len(screening.verdicts) == len(segments)


async def test_one_segment_that_cannot_be_judged_is_the_guards_failure() -> None:
    screening = await word_screen(patience_ms=30_000).prompt(
        [Segment(text, "prompt") for text in ("fine", "guard-fails", "guard-hangs")]
    )
    assert [failure.reason for failure in screening.failures] == ["told to"]
