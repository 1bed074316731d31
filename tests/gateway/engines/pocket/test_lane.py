from collections.abc import Sequence

import pytest
import torch

from gateway.engines.pocket.job import Job, Row, Sampling
from gateway.engines.pocket.lane import Lane
from gateway.engines.pocket.model import PocketModel

PROMPTS = ((1, 9, 30), (1, 12, 44, 7, 31, 90, 21), (1, 65))


def rows(model: PocketModel, prompt: Sequence[int], n: int = 1, answer: int = 100) -> list[Row]:
    job = Job(model.base, tuple(prompt), Sampling(max_tokens=answer, temperature=0.0, ignore_eos=True), 0, n)
    return [Row(job, k, model.text, model.eos) for k in range(n)]


def admit(lane: Lane, new: list[Row]) -> None:
    for row, drawn in zip(new, lane.admit(new), strict=True):
        row.take(drawn)


def step(lane: Lane, times: int = 1) -> None:
    for _ in range(times):
        for row, drawn in zip(list(lane.rows), lane.step(), strict=True):
            row.take(drawn)


def alone(model: PocketModel, prompt: Sequence[int], count: int) -> list[int]:
    """What transformers itself says next, greedily, without any cache of ours."""
    ids = torch.tensor([list(prompt)])
    out = model.base.net.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=count,
        min_new_tokens=count,
        eos_token_id=None,
    )
    found: list[int] = out[0, ids.shape[1] :].tolist()
    return found


@pytest.fixture
def lane(model: PocketModel) -> Lane:
    return model.lane(model.base)


def test_rows_of_any_length_say_what_each_says_alone(model: PocketModel, lane: Lane) -> None:
    new = [row for prompt in PROMPTS for row in rows(model, prompt)]
    admit(lane, new)
    step(lane, 19)
    assert [row.tokens for row in new] == [alone(model, prompt, 20) for prompt in PROMPTS]


def test_who_joins_and_leaves_between_steps_changes_nothing(model: PocketModel, lane: Lane) -> None:
    first, second, third = (rows(model, prompt, n) for prompt, n in zip(PROMPTS, (1, 3, 1), strict=True))
    admit(lane, first)
    step(lane, 5)
    admit(lane, second)
    step(lane, 4)
    lane.drop([*first, second[1]])
    step(lane, 3)
    admit(lane, third)
    step(lane, 80)
    assert first[0].tokens == alone(model, PROMPTS[0], 10)
    assert second[0].tokens == second[2].tokens == alone(model, PROMPTS[1], 88)
    assert third[0].tokens == alone(model, PROMPTS[2], 81)


def test_a_prompt_is_read_once_for_all_its_choices(model: PocketModel, lane: Lane) -> None:
    read: list[torch.Size] = []
    hook = model.base.net.register_forward_pre_hook(
        lambda _, __, given: read.append(given["input_ids"].shape), with_kwargs=True
    )
    admit(lane, rows(model, PROMPTS[0], 8) + rows(model, PROMPTS[1], 2))
    hook.remove()
    assert read == [torch.Size([2, 7])]


def test_a_lane_that_was_emptied_can_be_used_again(model: PocketModel, lane: Lane) -> None:
    admit(lane, gone := rows(model, PROMPTS[1], 3))
    lane.drop(gone)
    admit(lane, new := rows(model, PROMPTS[0]))
    step(lane, 4)
    assert new[0].tokens == alone(model, PROMPTS[0], 5)
