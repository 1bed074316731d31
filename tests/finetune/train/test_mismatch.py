"""The order of KTO's rows: the answers that it sets beside prompts are other prompts'."""

import random

import pytest

from finetune.train.mismatch import apart, clashes

PAIRS = [str(row // 2) for row in range(96)]  # the two answers to each prompt, side by side


def clashing(prompts: list[str], batch: int) -> int:
    order = apart(prompts, batch, seed=7)
    assert sorted(order) == list(range(len(prompts)))
    return sum(clashes(order, prompts, batch, place) for place in range(len(order)))


@pytest.mark.parametrize("batch", [2, 3, 8, 20, 96])
def test_no_row_gets_the_other_answer_to_its_own_prompt(batch: int) -> None:
    assert clashing(PAIRS, batch) == 0


@pytest.mark.parametrize("batch", [2, 5, 8])
def test_nor_where_prompts_come_back_unequally_often(batch: int) -> None:
    rng = random.Random(2)
    assert clashing([str(int(rng.expovariate(0.05))) for _ in range(200)], batch) == 0


def test_a_prompt_of_half_of_the_rows_stands_at_every_second_place() -> None:
    assert clashing(["a", "a", "a", "a", "b", "c", "d", "e"], 8) == 0


def test_rows_of_one_prompt_alone_stay_as_they_are_beside_each_other() -> None:
    assert clashing(["a"] * 4, 4) == 8


def test_good_and_bad_answers_stand_in_turn_as_they_do_in_pairs() -> None:
    good = [row % 2 == 0 for row in apart(PAIRS, 8, seed=7)]
    assert all(3 <= sum(good[start : start + 8]) <= 5 for start in range(0, 96, 8))


def test_a_seed_gives_one_order_and_another_another() -> None:
    assert apart(PAIRS, 8, seed=7) == apart(PAIRS, 8, seed=7) != apart(PAIRS, 8, seed=8)
