"""Progress where no bar can be drawn."""

import pytest

from finetune.lines import Lines


class Clock:
    """Time that passes when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def lines(clock: Clock, told: list[str]) -> Lines:
    return Lines(told.append, 30.0, clock)


def test_a_step_is_told_as_it_begins(lines: Lines, told: list[str]) -> None:
    lines.began("train")
    assert told == ["train: begins"]


def test_how_far_a_step_is_is_told_every_thirty_seconds(lines: Lines, told: list[str], clock: Clock) -> None:
    lines.began("train")
    for step in range(1, 13):
        lines.advanced(step, 16, "loss 0.5")
        clock.now += 10.0
    assert told[1:] == [f"train: {step} of 16, loss 0.5" for step in (1, 4, 7, 10)]


def test_the_next_step_is_told_of_at_once(lines: Lines, told: list[str]) -> None:
    for step in ("exam before", "exam after"):
        lines.began(step)
        lines.advanced(5, 9)
    assert told[1::2] == ["exam before: 5 of 9", "exam after: 5 of 9"]


def test_what_stands_outside_the_count_is_told_at_once(lines: Lines, told: list[str]) -> None:
    lines.began("train")
    lines.advanced(3, 16)
    lines.advanced(3, 3, "ALARM: chosen answers lost 30.0 nats")
    assert told[-1] == "train: 3 of 3, ALARM: chosen answers lost 30.0 nats"


def test_the_steps_of_a_training_are_told_once(lines: Lines, told: list[str]) -> None:
    lines.began("train")
    for _ in range(3):
        lines.measured({"steps": 16, "loss": 0.5})
    assert told[1:] == ["train: 16 steps"]


def test_a_step_is_told_as_it_ends(lines: Lines, told: list[str]) -> None:
    lines.ended("train", "adapter [abc]")
    lines.ended("exam", "fine", again=True)
    assert told == ["train: adapter [abc]", "exam: fine (done before)"]
