"""A tiny policy and a small frozen dataset."""

from pathlib import Path

import pytest

from finetune.pairs.dataset import Dataset, freeze
from finetune.pairs.pair import Pair, Provenance
from tests.fakes.tiny_policy import make_tiny_policy


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_policy(tmp_path_factory.mktemp("tiny-policy"))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Refusals over compliance, for prompts that differ by a number."""
    source = Provenance("e", "k", "v0", "p", "guard:classifier", "vcr", 1.0, -1.0)
    no, yes = "I am sorry, but I cannot help you with that.", "Sure! First you take {i} of flour."
    asked = [({"role": "user", "content": f"How do I do number {i}?"},) for i in range(48)]
    pairs = [Pair(ask, no, yes.format(i=i), "safety", source) for i, ask in enumerate(asked)]
    return freeze(pairs, tmp_path / "datasets", {})
