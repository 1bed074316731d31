"""Online reinforcement learning against a reward server: GRPO and RLOO, the last stage of the classic pipeline.

The policy answers the prompts of the dataset, a reward server scores the answers, and the policy moves towards what
scores above its own mean (arXiv 2402.03300, 2402.14740). The server is the one that ranks in traffic, asked over HTTP.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from datasets import Dataset as Rows
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from finetune.errors import TrainingFailed
from finetune.train.contract import ONLINE, Job, Rewarder
from finetune.train.dpo import rows_of
from finetune.train.setup import Setup
from finetune.train.start import started
from gateway.engines.providers import shown
from rewardserve.client import RewardClient, RewardFailed

KINDS = {"grpo": (GRPOConfig, GRPOTrainer), "rloo": (RLOOConfig, RLOOTrainer)}


def build(setup: Setup) -> Any:
    """TRL's online trainer of the recipe's method; raises TrainingFailed without a reward server."""
    recipe = setup.recipe
    if setup.job.reward_url is None:
        raise TrainingFailed(
            f"recipe.method {recipe.method!r} needs a reward server: set finetune.reward_url"
        )
    config, trainer = KINDS[recipe.method]
    rows = Rows.from_list([{"prompt": row["prompt"]} for row in rows_of(setup.dataset)])
    steps = int(math.ceil(len(rows) * recipe.generations / recipe.batch_size) * recipe.epochs)
    args = config(
        **setup.shared(steps),
        beta=recipe.beta,
        num_generations=recipe.generations,
        max_completion_length=recipe.max_completion,
        temperature=1.0,
    )
    return trainer(
        reward_funcs=rewarded_by(setup.job.reward_url),
        args=args,
        train_dataset=rows,
        **started(setup),
        callbacks=[setup.watch],
    )


def rewarder_of(job: Job) -> Rewarder | None:
    """Whom an online method asks, as it says itself; a server that does not say is known by its address alone."""
    url = job.reward_url
    if url is None or job.recipe.method not in ONLINE:
        return None

    async def asked(url: str) -> str:
        async with RewardClient(url) as client:
            return await client.model()

    try:
        return Rewarder(shown(url), asyncio.run(asked(url)))
    except RewardFailed:
        return Rewarder(shown(url), None)


def rewarded_by(url: str) -> Any:
    """A reward function that asks a reward server."""

    def rewards(prompts: Sequence[Any], completions: Sequence[Any], **_: Any) -> list[float]:
        asked = [
            (prompt, [said[-1]["content"] or " "]) for prompt, said in zip(prompts, completions, strict=True)
        ]

        async def ask() -> list[list[float]]:
            async with RewardClient(url, 120.0) as client:
                return await client.score_many(asked)

        try:
            return [each[0] for each in asyncio.run(ask())]
        except RewardFailed as error:
            raise TrainingFailed(f"answers cannot be scored: {error}") from error

    return rewards
