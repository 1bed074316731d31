"""How close a pair's answers lie in the policy's own states."""

from dataclasses import replace
from pathlib import Path

import pytest

from finetune.pairs.pair import Pair, Provenance
from finetune.train.ches import ches
from finetune.train.policy import load_policy
from tests.fakes.tiny_policy import make_tiny_policy

pytestmark = pytest.mark.slow  # loads a model

SOURCE = Provenance("e", "k", "v", "p", "reward", "", None, None)


def test_the_same_answer_twice_is_the_closest(tmp_path: Path) -> None:
    policy = load_policy(str(make_tiny_policy(tmp_path / "policy")), None, device="cpu")
    apart = Pair(({"role": "user", "content": "how"},), "one two three", "nine eight seven", "safety", SOURCE)
    same = replace(apart, rejected=apart.chosen)
    found = ches(policy, [apart, same])
    assert found[same.id] == pytest.approx(0.0, abs=1e-4)
    assert found[apart.id] < found[same.id]
