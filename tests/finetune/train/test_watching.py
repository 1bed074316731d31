"""What a training's log says in the end, of methods whose figures are noise for the most part."""

import random
import threading
from typing import Any

import pytest

from finetune.progress import Silence
from finetune.train.contract import TrainingHealth
from finetune.train.watching import Watch, health_of


def watched(rewards: list[float], gain: str = "reward") -> Watch:
    watch = Watch(threading.Event(), Silence(), gain=gain)
    for step, reward in enumerate(rewards, start=1):
        watch.on_log(None, state_at(step), None, logs={"loss": 0.0, gain: reward})
    return watch


def state_at(step: int, history: list[dict[str, Any]] | None = None) -> Any:
    told = {"global_step": step, "max_steps": 100, "log_history": history or []}
    return type("State", (), told)()


def noisy(gain: float, seed: int, steps: int = 100) -> TrainingHealth:
    """Of rewards of one prompt a step, as the defaults have it, of which some are easy and some are not."""
    rng = random.Random(seed)
    return health_of(watched([rng.gauss(gain * step / steps, 2.0) for step in range(steps)]).log, 0.1, "grpo")


def test_a_first_batch_that_was_lucky_does_not_condemn_a_training() -> None:
    rng = random.Random(1)
    logs = [watched([3.0] + [rng.gauss(0.0, 1.0) for _ in range(99)]).log for _ in range(100)]
    assert sum(health_of(log, 0.1, "grpo").learnt for log in logs) >= 85


def test_rewards_that_stay_are_seldom_told_as_a_fall() -> None:
    assert sum(not noisy(0.0, seed).learnt for seed in range(200)) <= 10  # 2.5 % are to be expected


def test_rewards_that_collapse_are_told_as_a_fall() -> None:
    assert not any(noisy(-4.0, seed).learnt for seed in range(50))


def test_a_gain_is_that_of_the_whole_log() -> None:
    found = health_of(watched([step / 10 for step in range(51)]).log, 0.1, "grpo")
    assert (found.margin, found.bound) == (pytest.approx(5.0), pytest.approx(5.0))


def test_a_log_of_a_few_lines_is_sure_of_nothing() -> None:
    found = health_of(watched([3.0, 2.0, 1.0, 0.0]).log, 0.1, "rloo")
    assert (found.margin, found.learnt) == (-3.0, True)


def test_a_margin_against_the_reference_is_judged_by_itself() -> None:
    found = health_of(watched([0.1, -0.2], gain="rewards/margins").log, 0.1, "dpo")
    assert (found.margin, found.bound, found.learnt) == (-0.2, None, False)


def test_what_an_attempt_without_memory_enough_logged_is_forgotten() -> None:
    watch = watched([9.0, 9.0])
    watch.on_train_begin(None, state_at(0), None)
    watch.on_log(None, state_at(1), None, logs={"loss": 0.0, "reward": 1.0})
    assert [(line.step, line.margin) for line in watch.log] == [(1, 0.0)]


def test_the_log_of_a_checkpoint_is_taken_up() -> None:
    watch = Watch(threading.Event(), Silence(), gain="reward")
    before = [{"step": 1, "loss": 0.5, "reward": 2.0, "kl": 0.25}, {"step": 2, "train_runtime": 1.0}]
    watch.on_train_begin(None, state_at(1, before), None)
    watch.on_log(None, state_at(2), None, logs={"loss": 0.4, "reward": 3.0})
    assert [(line.step, line.margin, line.kl) for line in watch.log] == [(1, 0.0, 0.25), (2, 1.0, None)]
