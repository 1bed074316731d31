"""Tiny reward models, each made once per run of a test file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.tiny_reward import make_tiny_reward

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes a tiny reward model of a family, or gives the one made before with the same wishes."""
    made: dict[str, Path] = {}

    def one(family: str = "llama", **wishes: Any) -> Path:
        key = repr((family, sorted(wishes.items())))
        if key not in made:
            made[key] = make_tiny_reward(tmp_path_factory.mktemp(family) / "tiny", family, **wishes)
        return made[key]

    return one


@pytest.fixture(scope="module")
def tiny(make: Make) -> Path:
    """A Llama with one logit and a chat template."""
    return make()
