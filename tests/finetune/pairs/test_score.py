"""Rewards for what traffic did not score."""

from collections.abc import Sequence

import pytest

from finetune.errors import DrawFailed
from finetune.pairs.pair import Group, Sample
from finetune.pairs.score import late_rewards
from gateway.exchange import Message
from rewardserve.client import RewardUnavailable

ASKED = ({"role": "user", "content": "how"},)
Texts = Sequence[tuple[Sequence[Message], Sequence[str]]]


class Lengths:
    """Rewards the longer answer, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    async def score_many(self, asked: Texts) -> list[list[float]]:
        self.asked += [list(texts) for _, texts in asked]
        return [[float(len(text)) for text in texts] for _, texts in asked]


class Away:
    """A reward server that is down."""

    async def score_many(self, asked: Texts) -> list[list[float]]:
        raise RewardUnavailable("connection refused")


def group(*rewards: float | None, name: str = "e") -> Group:
    return Group(name, ASKED, tuple(Sample("x" * (i + 1), reward) for i, reward in enumerate(rewards)))


async def test_only_what_is_missing_is_asked_for_and_told_by_its_place() -> None:
    model = Lengths()
    assert await late_rewards([group(9.0, None, 7.0, None)], model) == {("e", 1): 2.0, ("e", 3): 4.0}
    assert model.asked == [["xx", "xxxx"]]


async def test_a_conversation_that_no_reward_server_reads_is_not_sent() -> None:
    picture = ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]},)
    model, odd = Lengths(), Group("odd", picture, (Sample("x"),))
    assert await late_rewards([odd, group(None)], model) == {("e", 0): 1.0}
    assert model.asked == [["x"]]


async def test_many_groups_are_told_apart() -> None:
    groups = [group(None, name=f"e{i}") if i % 2 else group(1.0, None, name=f"e{i}") for i in range(40)]
    found = await late_rewards(groups, Lengths())
    assert found == {(f"e{i}", 1 - i % 2): 1.0 if i % 2 else 2.0 for i in range(40)}


async def test_a_text_that_says_nothing_is_not_scored() -> None:
    assert await late_rewards([Group("e", ASKED, (Sample("  "),))], Lengths()) == {}


async def test_a_reward_server_that_is_away_is_told() -> None:
    with pytest.raises(DrawFailed, match="connection refused"):
        await late_rewards([group(None)], Away())
