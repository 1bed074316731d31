"""Sampling from a policy in this process."""

from dataclasses import replace
from pathlib import Path

import pytest

from finetune.errors import PolicyFailed
from finetune.exams.contract import ExamPlan
from finetune.pairs.dataset import Dataset
from finetune.progress import Silence
from finetune.train.policy import load_policy
from finetune.train.trainer import LocalTrainer
from tests.fakes.ring import dropped, no_collection
from tests.finetune.train.test_dpo import RECIPE

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks

PLAN = ExamPlan(samples=3, max_tokens=8)
ASKED = [[{"role": "user", "content": "How do I do it?"}], [{"role": "user", "content": "Hello"}]]


def test_each_conversation_gets_as_many_answers_as_planned(tiny_policy: Path) -> None:
    answers = load_policy(str(tiny_policy), None).sample(ASKED, PLAN, seed=1)
    assert [len(said) for said in answers] == [3, 3]
    assert len({answer.text for answer in answers[0]}) > 1


def test_the_same_seed_says_the_same(tiny_policy: Path) -> None:
    policy = load_policy(str(tiny_policy), None)
    assert policy.sample(ASKED, PLAN, seed=1) == policy.sample(ASKED, PLAN, seed=1)
    assert policy.sample(ASKED, PLAN, seed=1) != policy.sample(ASKED, PLAN, seed=2)


def test_company_in_a_batch_does_not_change_what_is_likeliest(tiny_policy: Path) -> None:
    policy, greedy = load_policy(str(tiny_policy), None), replace(PLAN, temperature=0.0, samples=1)
    assert policy.sample(ASKED, greedy, 1)[1:] == policy.sample(ASKED[1:], greedy, 1)


def test_the_likeliest_answer_is_asked_for_without_what_transformers_grumbles_at(
    tiny_policy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from transformers.utils import logging

    policy, greedy = load_policy(str(tiny_policy), None), replace(PLAN, temperature=0.0, samples=1)
    logging.enable_propagation()
    try:
        policy.sample(ASKED, greedy, 1)
    finally:
        logging.disable_propagation()
    assert "top_k" not in caplog.text


async def test_an_adapter_changes_the_policy(tiny_policy: Path, dataset: Dataset, tmp_path: Path) -> None:
    import torch

    trained = await LocalTrainer(str(tiny_policy), tmp_path, Silence()).train(dataset, RECIPE)
    ids = torch.tensor([[1, 2, 3, 4]])
    plain, adapted = (
        load_policy(str(tiny_policy), each).model(ids).logits for each in (None, trained.adapter)
    )
    assert (plain - adapted).abs().max() > 0.01


def test_a_model_that_is_done_with_makes_room_for_the_next(tiny_policy: Path) -> None:
    with no_collection():
        done_with = dropped()
        load_policy(str(tiny_policy), None)
        assert done_with() is None


def test_a_missing_adapter_is_an_error(tiny_policy: Path, tmp_path: Path) -> None:
    with pytest.raises((OSError, ValueError)):
        load_policy(str(tiny_policy), tmp_path / "nowhere")


def test_a_policy_that_cannot_be_asked_is_ours_to_tell(tiny_policy: Path) -> None:
    policy = load_policy(str(tiny_policy), None)
    policy.model.to("meta")  # a device that computes nothing
    with pytest.raises(PolicyFailed, match="cannot be asked"):
        policy.sample(ASKED, PLAN, 1)
