"""Rewards for candidates that traffic did not score: the gateway asks for none once a guard withheld a text.

With a reward on both sides of a pair, guard and reward model check each other.
"""

from collections.abc import Sequence

from finetune.errors import DrawFailed
from finetune.exams.contract import Rewards
from finetune.pairs.pair import Group, Sample
from finetune.pairs.plain import is_plain
from finetune.pairs.telling import Late
from rewardserve.client import RewardFailed

BATCH = 16  # conversations scored in one request


async def late_rewards(groups: Sequence[Group], rewards: Rewards) -> Late:
    """A reward for each candidate that says anything and has none, in plain conversations; raises DrawFailed.

    Others cannot be trained on, and a reward server that refuses one would stop all retraining.
    """
    wanting = [each for each in groups if is_plain(each.messages) and any(map(unscored, each.samples))]
    found: dict[tuple[str, int], float] = {}
    for start in range(0, len(wanting), BATCH):
        some = wanting[start : start + BATCH]
        places = [[i for i, sample in enumerate(group.samples) if unscored(sample)] for group in some]
        asked = [
            (group.messages, [group.samples[i].text for i in where])
            for group, where in zip(some, places, strict=True)
        ]
        try:
            scores = await rewards.score_many(asked)
        except RewardFailed as error:
            raise DrawFailed(f"candidates cannot be scored: {error}") from error
        for group, where, given in zip(some, places, scores, strict=True):
            found |= {(group.exchange_id, i): float(each) for i, each in zip(where, given, strict=True)}
    return found


def unscored(sample: Sample) -> bool:
    """Whether a reward is missing that could be had."""
    return sample.reward is None and bool(sample.text.strip())
