"""The decision who goes together: within bounds, in turn, conversations whole, nobody for ever, nobody too late."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardserve.batch import Batch, BatchLimits, Pace, take_batch
from rewardserve.line import BATCHES_UNTIL_THE_OLDEST, Line, Terms, Waiting

NOW = 1000.0


@dataclass(frozen=True, slots=True)
class Item:
    """A text of a conversation whose first `shared` tokens are the conversation's."""

    name: int
    tokens: int
    conversation: int
    shared: int


@dataclass(frozen=True, slots=True)
class Comer:
    """One who comes to the line, and whether he has left since."""

    item: Item
    terms: Terms
    gone: bool


@st.composite
def comers(draw: st.DrawFn) -> list[Comer]:
    drawn = st.tuples(
        st.integers(1, 60), st.integers(0, 3), st.sampled_from("abc"), st.integers(-1, 1), st.booleans()
    )
    found = []
    for name, (own, conversation, tenant, priority, gone) in enumerate(draw(st.lists(drawn, max_size=30))):
        shared = 20 * conversation  # conversation 0 shares nothing
        found.append(Comer(Item(name, shared + own, conversation, shared), Terms(tenant, priority), gone))
    return found


limits = st.builds(BatchLimits, items=st.integers(1, 9), padded_tokens=st.integers(1, 300))
Waits = Waiting[Item]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def line_of(loop: asyncio.AbstractEventLoop, found: Sequence[Comer]) -> Line[Item]:
    line: Line[Item] = Line()
    for place, comer in enumerate(found):
        future: asyncio.Future[float] = loop.create_future()
        if comer.gone:
            future.cancel()
        line.put(Waiting(comer.item, future, (), comer.terms, since=float(place)))
    return line


def next_batch(line: Line[Item], bounds: BatchLimits) -> list[Waits]:
    return take_batch(line, bounds, NOW, lambda _: 0.0).taken


def cost_of(taken: Sequence[Waits]) -> int:
    """Tokens to be read: what a tenant's items of a conversation share, once."""
    groups = {(one.terms.tenant, one.terms.priority, one.item.conversation) for one in taken}
    shared = sum(20 * conversation for _, _, conversation in groups)
    return shared + sum(one.item.tokens - one.item.shared for one in taken)


@given(found=comers(), bounds=limits)
def test_no_batch_is_over_its_limits_unless_it_is_one_item(
    loop: asyncio.AbstractEventLoop, found: list[Comer], bounds: BatchLimits
) -> None:
    line = line_of(loop, found)
    while taken := next_batch(line, bounds):
        assert len(taken) <= bounds.items
        assert len(taken) == 1 or cost_of(taken) <= bounds.padded_tokens


@given(found=comers(), bounds=limits)
def test_batches_take_everyone_who_stayed_once(
    loop: asyncio.AbstractEventLoop, found: list[Comer], bounds: BatchLimits
) -> None:
    line, taken = line_of(loop, found), list[int]()
    while batch := next_batch(line, bounds):
        taken += [one.item.name for one in batch]
    assert sorted(taken) == [comer.item.name for comer in found if not comer.gone]
    assert len(line) == 0
    assert not list(line)


@given(found=comers(), bounds=limits)
def test_within_a_conversation_and_tenant_the_order_is_kept(
    loop: asyncio.AbstractEventLoop, found: list[Comer], bounds: BatchLimits
) -> None:
    line, seen = line_of(loop, found), dict[tuple[str, int, int], int]()
    while batch := next_batch(line, bounds):
        for one in batch:
            group = (one.terms.tenant, one.terms.priority, one.item.conversation)
            assert seen.get(group, -1) < one.item.name
            seen[group] = one.item.name


@given(found=comers(), bounds=limits)
def test_what_belongs_to_a_conversation_stands_together(
    loop: asyncio.AbstractEventLoop, found: list[Comer], bounds: BatchLimits
) -> None:
    line = line_of(loop, found)
    while batch := next_batch(line, bounds):
        groups = [(one.terms.tenant, one.terms.priority, one.item.conversation) for one in batch]
        runs = [group for place, group in enumerate(groups) if not place or groups[place - 1] != group]
        assert len(runs) == len(set(runs))


@given(found=comers(), bounds=limits)
def test_of_those_who_could_go_the_first_priority_begins(
    loop: asyncio.AbstractEventLoop, found: list[Comer], bounds: BatchLimits
) -> None:
    line = line_of(loop, found)
    staying = [comer.terms.priority for comer in found if not comer.gone]
    batch = next_batch(line, bounds)
    assert [one.terms.priority for one in batch[:1]] == sorted(staying)[:1]


@given(found=comers(), tenant=st.sampled_from("abc"))
def test_a_tenant_waits_for_no_more_than_one_turn_of_each_other(
    loop: asyncio.AbstractEventLoop, found: list[Comer], tenant: str
) -> None:
    """However much the others sent before: with one priority, three tenants, his first goes within three batches."""
    equal = [Comer(comer.item, Terms(comer.terms.tenant), gone=False) for comer in found]
    mine = Comer(Item(99, 61, 4, 0), Terms(tenant), gone=False)
    line = line_of(loop, [*equal, mine])
    first = [one.terms.tenant for _ in range(3) for one in next_batch(line, BatchLimits(items=1))]
    assert tenant in first


def test_nobody_waits_for_ever(loop: asyncio.AbstractEventLoop) -> None:
    """A low priority is served although a higher one never ends."""
    line: Line[Item] = Line()
    line.put(Waiting(Item(0, 5, 0, 0), loop.create_future(), (), Terms("a", priority=9), since=0.0))
    served = []
    for batch in range(1, BATCHES_UNTIL_THE_OLDEST + 1):
        urgent = Terms("b", priority=-9)
        line.put(Waiting(Item(batch, 5, 0, 0), loop.create_future(), (), urgent, since=float(batch)))
        served += [one.item.name for one in next_batch(line, BatchLimits(items=1))]
    assert served[-1] == 0


def test_a_conversation_that_never_ends_keeps_out_no_other(loop: asyncio.AbstractEventLoop) -> None:
    line = line_of(loop, [Comer(Item(n, 5, n == 9, 0), Terms(), gone=False) for n in range(10)])
    taken = [one.item.name for _ in range(2) for one in next_batch(line, BatchLimits(items=1))]
    assert taken == [0, 9]


def with_deadline(loop: asyncio.AbstractEventLoop, *tokens_and_seconds: tuple[int, float]) -> Line[Item]:
    terms = [
        (Item(n, tokens, n, 0), Terms(deadline=NOW + left))
        for n, (tokens, left) in enumerate(tokens_and_seconds)
    ]
    return line_of(loop, [Comer(item, term, gone=False) for item, term in terms])


def at_a_second_each(line: Line[Item]) -> Batch[Item]:
    return take_batch(line, BatchLimits(), NOW, float)


def test_who_cannot_make_it_even_alone_is_dropped(loop: asyncio.AbstractEventLoop) -> None:
    batch = at_a_second_each(with_deadline(loop, (10, 9.0), (10, 11.0)))
    assert [one.item.name for one in batch.late] == [0]
    assert [one.item.name for one in batch.taken] == [1]


def test_a_batch_grows_no_longer_than_its_tightest_deadline(loop: asyncio.AbstractEventLoop) -> None:
    line = with_deadline(loop, (10, 25.0), (10, math.inf), (10, math.inf))
    assert [one.item.name for one in at_a_second_each(line).taken] == [0, 1]


def test_who_would_be_late_in_this_batch_waits_for_the_next(loop: asyncio.AbstractEventLoop) -> None:
    line = with_deadline(loop, (10, math.inf), (10, 15.0))
    assert [one.item.name for one in at_a_second_each(line).taken] == [0]
    assert [one.item.name for one in line] == [1]


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0.001, 10)), min_size=1), st.integers(1, 10_000))
def test_pace_errs_to_the_callers_advantage(recent: list[tuple[int, float]], tokens: int) -> None:
    """It never says that a batch takes longer than a recent one which read at least as much."""
    pace = Pace()
    for one in recent:
        pace.took(*one)
    larger = [seconds for read, seconds in recent[-16:] if read >= tokens]
    assert pace(tokens) <= min(larger, default=math.inf)


def test_pace_knows_nothing_at_first() -> None:
    assert Pace()(1000) == 0.0
