"""Which outcomes belong together: by when they were admitted, and each once."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from finetune.rollout.outcome import Outcome, longer, refused, unrewarded
from finetune.rollout.pairing import MOST_WAITING, Paired, Waiting, pair, waiting_of

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def outcome(seq: int, arm: str, at: float | None = None, exchange: str = "", **told: object) -> Outcome:
    """One request, admitted so many seconds after noon."""
    found = {"flagged": False, "refused": False, "failed": False, "words": 10, "reward": None} | told
    when = NOON + timedelta(seconds=seq if at is None else at)
    return Outcome(seq, exchange or f"x{seq}", arm, f"c{seq}", when, **found)  # type: ignore[arg-type]


def numbers(pairs: list[Paired]) -> list[tuple[int, int]]:
    """Stable and new, by number."""
    return [(each.stable.seq, each.new.seq) for each in pairs]


def test_a_canary_goes_with_the_next_established_answer() -> None:
    pairs, left = pair([outcome(1, "stable"), outcome(2, "canary"), outcome(3, "stable")], Waiting())
    assert numbers(pairs) == [(3, 2)]
    assert not left.canary


def test_pairs_follow_admission_and_not_completion() -> None:
    late = outcome(1, "canary", at=5.0)
    early = outcome(2, "canary", at=1.0)
    pairs, _ = pair([late, early, outcome(3, "stable", at=2.0), outcome(4, "stable", at=6.0)], Waiting())
    assert numbers(pairs) == [(3, 2), (4, 1)]


def test_a_canary_waits_for_the_next_look() -> None:
    pairs, left = pair([outcome(1, "canary")], Waiting())
    assert pairs == []
    assert numbers(pair([outcome(2, "stable")], left)[0]) == [(2, 1)]


def test_a_shadow_goes_with_the_exchange_that_it_copies_whichever_comes_first() -> None:
    one, other = outcome(1, "stable", exchange="a"), outcome(2, "shadow", exchange="a")
    assert numbers(pair([one, other], Waiting())[0]) == [(1, 2)]
    early = outcome(1, "shadow", exchange="b")
    _, left = pair([early], Waiting())
    assert numbers(pair([outcome(2, "stable", exchange="b")], left)[0]) == [(2, 1)]


def test_what_waits_is_bounded() -> None:
    _, left = pair([outcome(i, "stable") for i in range(3 * MOST_WAITING)], Waiting())
    assert len(left.numbers) == MOST_WAITING


def test_another_worker_goes_on_with_what_waited() -> None:
    held = [outcome(1, "canary"), outcome(2, "shadow", exchange="q")]
    _, left = pair(held, Waiting())
    assert waiting_of(held) == left


@given(st.lists(st.sampled_from(["stable", "canary"]), max_size=60), st.integers(0, 60))
def test_how_the_looks_fall_does_not_change_the_pairs_of_what_came_in_order(
    arms: list[str], cut: int
) -> None:
    outcomes = [outcome(i, arm) for i, arm in enumerate(arms)]
    whole, _ = pair(outcomes, Waiting())
    first, left = pair(outcomes[:cut], Waiting())
    second, _ = pair(outcomes[cut:], left)
    assert numbers(whole) == numbers(first + second)


@given(st.lists(st.sampled_from(["stable", "canary"]), max_size=60))
def test_nothing_is_paired_twice(arms: list[str]) -> None:
    pairs = numbers(pair([outcome(i, arm) for i, arm in enumerate(arms)], Waiting())[0])
    used = [number for both in pairs for number in both]
    assert len(used) == len(set(used))


def test_a_missing_reward_decides_nothing() -> None:
    assert unrewarded(Paired(outcome(1, "stable", reward=1.0), outcome(2, "canary"))) == 0.0
    assert unrewarded(Paired(outcome(1, "stable", reward=1.0), outcome(2, "canary", reward=0.5))) == 1.0


def test_failures_say_nothing_of_length_or_refusal() -> None:
    broken = Paired(outcome(1, "stable"), outcome(2, "canary", failed=True, words=0, refused=True))
    assert longer(broken) == refused(broken) == 0.0
