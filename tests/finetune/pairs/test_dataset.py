"""Frozen datasets."""

import json
from pathlib import Path

import pytest

from finetune.errors import DatasetDamaged
from finetune.pairs.dataset import freeze, thaw
from finetune.pairs.pair import Pair, Provenance

SOURCE = Provenance("e1", "k", "v0", "p", "guard:classifier", "vcr", 1.5, None, subject="ann")
PAIRS = [
    Pair(({"role": "user", "content": f"wie geht das {i}? ü"},), "nein", "ja", "safety", SOURCE)
    for i in range(4)
]


def test_a_dataset_is_named_by_its_content_and_order_does_not_matter(tmp_path: Path) -> None:
    frozen, again = freeze(PAIRS, tmp_path, {}), freeze(PAIRS[::-1], tmp_path, {})
    assert frozen == again
    assert frozen.path.stem == frozen.sha256
    assert [*tmp_path.iterdir()] == [frozen.path]


def test_pairs_come_back_whole(tmp_path: Path) -> None:
    assert sorted(thaw(freeze(PAIRS, tmp_path, {}).path), key=lambda p: p.id) == sorted(
        PAIRS, key=lambda p: p.id
    )


def test_a_row_has_the_shape_that_trl_reads(tmp_path: Path) -> None:
    row = json.loads(freeze(PAIRS, tmp_path, {}).path.read_text().splitlines()[0])
    assert row["chosen"] == [{"role": "assistant", "content": "nein"}]
    assert row["prompt"][0]["role"] == "user"


def test_a_changed_dataset_is_refused(tmp_path: Path) -> None:
    frozen = freeze(PAIRS, tmp_path, {})
    frozen.path.write_text(frozen.path.read_text().replace("nein", "doch"))
    with pytest.raises(DatasetDamaged, match="retrain from the ledger"):
        thaw(frozen.path)
