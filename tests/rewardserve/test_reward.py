"""A reward is its number."""

from rewardserve.reward import Reward


def test_a_reward_counts_as_its_number() -> None:
    assert Reward(1.5, {"safety": 2.0}, 0.5) == 1.5
    assert max(Reward(1.0), Reward(2.0)) == 2.0


def test_a_reward_knows_its_parts_and_its_doubt() -> None:
    reward = Reward(1.5, {"safety": 2.0}, 0.5)
    assert (reward.heads, reward.spread) == ({"safety": 2.0}, 0.5)
