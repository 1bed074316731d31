from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.engines.pocket.job import Job, Sampling
from gateway.engines.pocket.schedule import Limits, schedule


def job(n: int = 1, prompt: int = 10, answer: int = 10, *, started: int = 0) -> Job:
    made = Job("v", (0,) * prompt, Sampling(max_tokens=answer), seed=0, n=n)
    made.started = started
    return made


def counts(waiting: list[Job], running: list[Job], limits: Limits) -> list[int]:
    return [share.count for share in schedule(waiting, running, limits)]


def test_all_that_fit_join_at_once() -> None:
    assert counts([job(), job(8), job()], [], Limits()) == [1, 8, 1]


def test_rows_are_bounded_and_a_large_request_joins_in_parts() -> None:
    assert counts([job(8), job()], [job(4, started=4)], Limits(rows=6)) == [2]


def test_the_rest_of_a_large_request_follows() -> None:
    assert counts([job(8, started=2), job()], [], Limits(rows=100)) == [6, 1]


def test_padded_tokens_are_bounded_by_the_longest_row() -> None:
    assert counts([job(answer=10), job(answer=90), job()], [], Limits(tokens=250)) == [1, 1]


def test_what_is_too_long_for_any_batch_goes_alone() -> None:
    assert counts([job(4, answer=1000), job()], [], Limits(tokens=100)) == [1]
    assert counts([job(answer=1000)], [job(started=1)], Limits(tokens=100)) == []


def test_one_step_reads_only_so_many_prompt_tokens() -> None:
    waiting = [job(prompt=50), job(prompt=60), job(prompt=1)]
    assert counts(waiting, [], Limits(prefill=120)) == [1, 1]


def test_one_prompt_is_read_however_long_it_is() -> None:
    assert counts([job(prompt=500)], [], Limits(prefill=100)) == [1]


JOBS = some.lists(
    some.builds(job, some.integers(1, 9), some.integers(1, 50), some.integers(1, 50)), min_size=1, max_size=8
)


@given(waiting=JOBS, rows=some.integers(1, 12), tokens=some.integers(1, 800))
@pytest.mark.parametrize("promise", ["rows", "progress", "order"])
def test_promises_hold_for_any_queue(promise: str, waiting: list[Job], rows: int, tokens: int) -> None:
    shares = schedule(waiting, [], Limits(rows=rows, tokens=tokens))
    joined = sum(share.count for share in shares)
    keeps: dict[str, Callable[[], bool]] = {
        "rows": lambda: joined <= rows,
        "progress": lambda: joined > 0,
        "order": lambda: [share.job for share in shares] == waiting[: len(shares)],
    }
    assert keeps[promise]()
