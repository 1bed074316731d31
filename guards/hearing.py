"""Hearing a policy's guards: side by side, each within its own time, and none at the event loop's expense."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from guards.breaker import Breaker
from guards.policy.rule import Rule
from guards.verdict import (
    Computing,
    Context,
    Failure,
    Guard,
    GuardFailed,
    GuardTimedOut,
    Segment,
    Verdict,
)
from guards.work import Readings, Work

# What one guard may read on the event loop, all its segments together: about a millisecond's work.
AT_ONCE_CHARS = 3_000
SEGMENT_CHARS = 50  # what a segment costs beside its text
AT_A_TIME = 16  # segments of one request that a guard asks somebody about
SLICE_SECONDS = 0.005  # after so long on the event loop a guard lets others go on

Placed = Sequence[tuple[int, Segment]]  # segments with their positions among all that are screened


@dataclass(frozen=True, slots=True, eq=False)
class Post:
    """A guard at its place in the policy; `computing` is the same guard where it can be asked in a thread."""

    rule: Rule
    guard: Guard
    computing: Computing | None = None
    askers: tuple[Rule, ...] = ()  # those that ask it where they are unsure; none, and it is heard always
    breaker: Breaker | None = None

    def covers(self, segment: Segment) -> bool:
        """Whether the policy wants this segment seen by this guard."""
        return covers(self.rule, segment)


def covers(rule: Rule, segment: Segment) -> bool:
    """Whether a policy wants this segment seen by the guard of this rule."""
    named = segment.where in rule.where or segment.direction in rule.where
    old = segment.turns_ago > 0 and not rule.reads_all_turns
    return named and not old and segment.part not in rule.skip_parts


def posted(rule: Rule, guard: Guard, askers: tuple[Rule, ...] = ()) -> Post:
    """The guard at its place; one that waits for nobody may be asked in a thread, any other may need a rest."""
    if isinstance(guard, Computing):
        return Post(rule, guard, guard, askers)
    return Post(rule, guard, None, askers, Breaker(rule.breaker.failures, rule.breaker.rest_ms / 1000))


@dataclass(slots=True)
class Heard:
    """What one guard said of the segments it was given: a verdict each by position, or why there is none."""

    post: Post
    mine: Placed  # the segments that are its business
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    failure: GuardFailed | None = None

    @property
    def unheard(self) -> Placed:
        """Of its segments, those that have no verdict yet."""
        if not self.verdicts:
            return self.mine
        return [placed for placed in self.mine if placed[0] not in self.verdicts]

    def as_failure(self) -> Failure | None:
        """Its failure, if it failed, with the action that the rule's `on_error` prescribes."""
        if (failure := self.failure) is None:
            return None
        rule = self.post.rule
        return Failure(rule.id, str(failure) or type(failure).__name__, rule.when_failing)


async def hear(heard: Sequence[Heard], context: Context, deadline_seconds: float, threads: Executor) -> None:
    """Lets each guard give its verdicts, or fail once its own time or the policy's deadline is over."""
    if all(is_little(one, context) for one in heard):
        at_once(heard, context)
    else:
        await side_by_side(heard, context, deadline_seconds, threads)
    for one in heard:
        if one.failure is None and one.unheard:
            one.failure = GuardFailed("ended without a verdict")  # cancelled from within, for instance


def is_little(heard: Heard, context: Context) -> bool:
    """Whether what a guard has yet to read may be read here and now, while everybody else waits."""
    computing = heard.post.computing
    return computing is not None and not too_much(computing, heard.unheard, context)


def at_once(heard: Sequence[Heard], context: Context) -> None:
    """Asks guards that wait for nobody one after the other, without the cost of letting them run side by side."""
    context = replace(
        context, work=Work()
    )  # a conversation outlives its screenings, and must not keep their views
    for one in heard:
        assert one.post.computing is not None
        try:
            compute(one.post.computing, one.unheard, context, one.verdicts)
        except Exception as error:  # noqa: BLE001 - told as a Failure
            one.failure = as_its_failure(error)


async def side_by_side(
    heard: Sequence[Heard], context: Context, deadline_seconds: float, threads: Executor
) -> None:
    """Asks all guards at once, and stops those that are late."""
    if deadline_seconds <= 0:
        for one in heard:
            one.failure = GuardFailed("no time was left for it")
        return
    heard = [one for one in heard if not resting(one)]
    readings = Readings()
    works = [Work(readings) for _ in heard]
    tasks = [
        asyncio.create_task(consult(one, replace(context, work=work), threads))
        for one, work in zip(heard, works, strict=True)
    ]
    try:
        await wait(heard, tasks, deadline_seconds)
    finally:
        for task, work in zip(tasks, works, strict=True):
            task.cancel()
            work.end(GuardTimedOut("is not waited for any more"))
    for one in heard:
        one.verdicts = dict(one.verdicts)  # a thread that has not stopped yet must not change what is decided
        if one.post.breaker is not None:
            one.post.breaker.end(None if one.verdicts else one.failure)  # who answered anything is not away


def resting(heard: Heard) -> bool:
    """Whether a guard is given a rest; then it has failed already."""
    if heard.post.breaker is None:
        return False
    try:
        heard.post.breaker.begin()
    except GuardFailed as error:
        heard.failure = error
    return heard.failure is not None


async def wait(heard: Sequence[Heard], tasks: list[asyncio.Task[None]], deadline_seconds: float) -> None:
    """Waits for the guards, the most impatient first; whoever is late has failed and is stopped."""
    started = time.perf_counter()
    limits = [min(one.post.rule.timeout_ms / 1000, deadline_seconds) for one in heard]
    for limit in sorted(set(limits)):
        due = [task for task, own in zip(tasks, limits, strict=True) if own == limit]
        await asyncio.wait(due, timeout=max(0.0, started + limit - time.perf_counter()))
        for one, task, own in zip(heard, tasks, limits, strict=True):
            if own == limit and not task.done():
                one.failure = GuardTimedOut(f"had not answered within {limit:.3g} s")
                task.cancel()


async def consult(heard: Heard, context: Context, threads: Executor) -> None:
    """Asks one guard about each of its segments; a failure stays with what was heard until then."""
    mine, computing = heard.unheard, heard.post.computing
    try:
        if computing is not None and too_much(computing, mine, context):
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(threads, compute, computing, mine, context, heard.verdicts)
        else:
            await ask(heard.post.guard, mine, context, heard.verdicts)
    except Exception as error:  # noqa: BLE001 - told as a Failure
        heard.failure = as_its_failure(error)
    finally:
        context.work.end(GuardTimedOut("is not waited for any more"))


def as_its_failure(error: Exception) -> GuardFailed:
    """What a guard raised as its failure: it may be anybody's code, whose crash may quote the prompt."""
    return error if isinstance(error, GuardFailed) else GuardFailed(f"crashed: {type(error).__name__}")


def too_much(guard: Computing, mine: Placed, context: Context) -> bool:
    """Whether the segments together are more than may be judged on the event loop."""
    left = AT_ONCE_CHARS
    for _, segment in mine:
        left -= guard.weighs(segment, context) + SEGMENT_CHARS
        if left < 0:
            return True
    return False


async def ask(guard: Guard, mine: Placed, context: Context, verdicts: dict[int, Verdict]) -> None:
    """Asks a guard that waits for others about some segments at a time, any other about one after the other."""
    left = iter(mine)
    if isinstance(guard, Computing) or len(mine) == 1:
        await ask_in_turn(guard, left, context, verdicts)
        return
    turns = [
        asyncio.ensure_future(ask_in_turn(guard, left, context, verdicts))
        for _ in range(min(AT_A_TIME, len(mine)))
    ]
    try:
        await asyncio.gather(*turns)
    finally:
        for turn in turns:
            turn.cancel()


async def ask_in_turn(
    guard: Guard, left: Iterator[tuple[int, Segment]], context: Context, verdicts: dict[int, Verdict]
) -> None:
    """Asks segment by segment; a guard that computes on the event loop is interrupted between two of them."""
    since = time.perf_counter()
    for position, segment in left:
        if time.perf_counter() - since > SLICE_SECONDS:
            await asyncio.sleep(0)
            since = time.perf_counter()
        verdicts[position] = sound(await guard.check(segment, context), segment)


def compute(guard: Computing, mine: Placed, context: Context, verdicts: dict[int, Verdict]) -> None:
    """The same in a thread, which stops soon after nobody waits for it any more."""
    for position, segment in mine:
        context.work.go_on()
        verdicts[position] = sound(guard.check_now(segment, context), segment)


def sound(verdict: Verdict, segment: Segment) -> Verdict:
    """The verdict, or GuardFailed when it is garbage: a NaN compares as below every threshold."""
    if not isinstance(verdict, Verdict):
        raise GuardFailed(f"answered with {type(verdict).__name__} instead of a verdict")
    if verdict.scores and not all(0 <= each <= 1 for each in verdict.scores.values()):
        raise GuardFailed("answered with a probability that is none")
    if verdict.spans and not all(0 <= one.start <= one.end <= len(segment.text) for one in verdict.spans):
        raise GuardFailed("answered with a span outside of the text")
    return verdict
