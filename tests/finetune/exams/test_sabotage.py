"""Adapters that the sabotage benchmark damages on disk: each is named, before anybody asks it anything."""

import shutil
from pathlib import Path

import pytest

from finetune.train.servable import faults_of
from tests.bench.loop.saboteurs import BROKEN, Broken
from tests.fakes.tiny_adapter import make_tiny_adapter
from tests.fakes.tiny_policy import make_tiny_policy

pytestmark = pytest.mark.slow  # seconds: it makes a model


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("sabotage")
    base = make_tiny_policy(folder / "base")
    return base, make_tiny_adapter(base, folder / "adapter")


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_what_was_damaged_is_named(made: tuple[Path, Path], broken: Broken, tmp_path: Path) -> None:
    base, adapter = made
    assert faults_of(adapter, 64, str(base)) == {}
    shutil.copytree(adapter, tmp_path / "broken")
    broken.damage(tmp_path / "broken")
    assert broken.reason.removeprefix("servability.") in faults_of(tmp_path / "broken", 64, str(base))
