"""Rewards for candidates that traffic did not score: the gateway asks for none once a guard withheld a text.

With a reward on both sides of a pair, guard and reward model check each other.
"""

from collections.abc import Sequence
from dataclasses import replace

from finetune.errors import DrawFailed
from finetune.exams.contract import Rewards
from finetune.pairs.pair import Group, Sample
from finetune.pairs.plain import is_plain
from rewardserve.client import RewardFailed

BATCH = 16  # conversations scored in one request


async def scored(groups: Sequence[Group], rewards: Rewards) -> list[Group]:
    """The groups in plain text with a reward for each candidate that says anything; raises DrawFailed.

    Others cannot be trained on, and a reward server that refuses one would stop all retraining.
    """
    done = list(groups)
    wanting = [i for i, g in enumerate(groups) if is_plain(g.messages) and any(map(unscored, g.samples))]
    for start in range(0, len(wanting), BATCH):
        some = wanting[start : start + BATCH]
        asked = [(groups[i].messages, [s.text for s in groups[i].samples if unscored(s)]) for i in some]
        try:
            found = await rewards.score_many(asked)
        except RewardFailed as error:
            raise DrawFailed(f"candidates cannot be scored: {error}") from error
        for i, scores in zip(some, found, strict=True):
            done[i] = filled(groups[i], scores)
    return done


def filled(group: Group, scores: Sequence[float]) -> Group:
    """The group with these rewards in the place of those that are missing, in order."""
    left = iter(scores)
    samples = (replace(s, reward=next(left)) if unscored(s) else s for s in group.samples)
    return replace(group, samples=tuple(samples))


def unscored(sample: Sample) -> bool:
    """Whether a reward is missing that could be had."""
    return sample.reward is None and bool(sample.text.strip())
