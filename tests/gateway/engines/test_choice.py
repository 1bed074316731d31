"""Choosing a replica: at home while it is not too busy, else where the least is owed."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engines.choice import BOUND, LONGEST_ANSWER_TOKENS, SLACK_TOKENS, by_affinity, ranked, tokens_of


@dataclass(frozen=True)
class One:
    """What is to be known of a replica."""

    name: str
    tokens: int = 0


loads = st.lists(st.integers(0, 10**6), min_size=1, max_size=8)
keys = st.text(st.characters(), max_size=20)


def replicas(owed: list[int]) -> list[One]:
    return [One(f"e{number}", tokens) for number, tokens in enumerate(owed)]


@given(loads, st.one_of(st.none(), keys), st.integers(0, 100))
def test_every_replica_stands_in_the_order_once(owed: list[int], key: str | None, turn: int) -> None:
    assert Counter(ranked(replicas(owed), key, turn)) == Counter(replicas(owed))


@given(loads, st.integers(0, 100))
def test_without_a_conversation_the_least_loaded_comes_first(owed: list[int], turn: int) -> None:
    assert [each.tokens for each in ranked(replicas(owed), None, turn)] == sorted(owed)


@given(loads, keys, st.integers(0, 100))
def test_nobody_is_sent_where_the_bound_is_passed(owed: list[int], key: str, turn: int) -> None:
    assert ranked(replicas(owed), key, turn)[0].tokens <= BOUND * min(owed) + SLACK_TOKENS


@given(st.lists(st.integers(0, SLACK_TOKENS), min_size=2, max_size=8), keys, st.integers(0, 100))
def test_a_conversation_stays_at_home_within_the_slack(owed: list[int], key: str, turn: int) -> None:
    assert ranked(replicas(owed), key, turn)[0].name == by_affinity(replicas(owed), key)[0].name


@given(st.integers(2, 8), keys, st.data())
def test_a_replica_that_goes_moves_nobody_elses_conversation(count: int, key: str, data: Any) -> None:
    there = replicas([0] * count)
    gone = data.draw(st.sampled_from(there))
    home = by_affinity(there, key)[0]
    left = [each for each in there if each is not gone]
    assert home is gone or by_affinity(left, key)[0] is home


def test_conversations_spread_evenly_over_their_homes() -> None:
    homes = Counter(by_affinity(replicas([0] * 4), f"conversation {n}")[0].name for n in range(4000))
    assert all(800 < count < 1200 for count in homes.values())


def test_whom_the_home_is_too_busy_for_goes_to_the_next_in_the_conversations_own_order() -> None:
    first, second, *_ = by_affinity(replicas([0] * 4), "a")
    crowded = [replace(each, tokens=10**6 if each == first else 0) for each in replicas([0] * 4)]
    assert ranked(crowded, "a", 0)[0].name == second.name


def test_equals_take_turns() -> None:
    there = replicas([0, 0, 0])
    assert {ranked(there, None, turn)[0].name for turn in range(3)} == {"e0", "e1", "e2"}


def asks(content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **more}


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (asks("x" * 400), 100 + 256),
        (asks("x" * 400, max_tokens=10), 110),
        (asks("x" * 400, max_tokens=10, n=4), 140),
        (asks("", max_completion_tokens=7, max_tokens=9), 7),
        (asks([{"type": "text", "text": "x" * 40}, {"type": "image_url"}], max_tokens=1), 11),
        (asks(None, max_tokens="many"), 256),
        (asks(None, max_tokens=-1), 256),
        (asks(None, max_tokens=10**30), LONGEST_ANSWER_TOKENS),
    ],
)
def test_a_requests_tokens_are_estimated(body: dict[str, Any], tokens: int) -> None:
    assert tokens_of(body) == tokens
