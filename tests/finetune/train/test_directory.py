"""Where adapters are kept."""

import json
import os
from pathlib import Path

import pytest

from finetune.train.directory import in_order, keep
from finetune.train.servable import CONFIG, WEIGHTS
from gateway.artifacts.contents import digest_of


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    folder = tmp_path / "draft"
    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps({"r": 4}))
    (folder / WEIGHTS).write_bytes(b"weights")
    (folder / "README.md").write_text("of a library")
    return folder


def test_an_adapter_is_kept_under_its_digest_and_nothing_else_is(draft: Path, tmp_path: Path) -> None:
    place, digest = keep(draft, tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [digest]
    assert {path.name for path in place.iterdir()} == {CONFIG, WEIGHTS}
    assert digest == digest_of(place)


def test_the_same_adapter_is_kept_once(draft: Path, tmp_path: Path) -> None:
    assert keep(draft, tmp_path / "kept") == keep(draft, tmp_path / "kept")


def test_what_a_worker_killed_while_copying_left_stops_nobody(draft: Path, tmp_path: Path) -> None:
    half = tmp_path / "kept" / f".{digest_of(draft)}.{os.getpid()}"  # as after a restart of a container
    half.mkdir(parents=True)
    (half / WEIGHTS).write_bytes(b"wei")
    _, digest = keep(draft, tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [digest]


def test_what_peft_holds_as_a_set_is_written_in_order(tmp_path: Path) -> None:
    config = tmp_path / "adapter_config.json"
    config.write_text('{"target_modules": ["v_proj", "down_proj", "q_proj"], "r": 4}')
    in_order(config)
    told = json.loads(config.read_text())
    assert told == {"r": 4, "target_modules": ["down_proj", "q_proj", "v_proj"]}
