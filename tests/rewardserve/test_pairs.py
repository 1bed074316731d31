"""Pairs from files, as this project and public sets write them."""

import json
from pathlib import Path
from typing import Any

import pytest

from rewardserve.pairs import LabelledPair, PairsRefused, read_pairs

ASKED = [{"role": "user", "content": "How?"}]


def written(folder: Path, *rows: Any) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.mark.parametrize("asked", [{"prompt": "How?"}, {"prompt": ASKED}, {"messages": ASKED}])
@pytest.mark.parametrize("wrap", [str, lambda text: [{"role": "assistant", "content": text}]])
def test_every_shape_is_the_same_pair(tmp_path: Path, asked: dict[str, Any], wrap: Any) -> None:
    row = {**asked, "chosen": wrap("good"), "rejected": wrap("bad"), "subset": "chat", "id": "a"}
    assert read_pairs(written(tmp_path, row)) == [LabelledPair(tuple(ASKED), "good", "bad", "chat", "a")]


def test_the_kind_of_a_pair_of_ours_is_its_subset(tmp_path: Path) -> None:
    row = {"prompt": ASKED, "chosen": "a", "rejected": "b", "kind": "safety"}
    assert read_pairs(written(tmp_path, row))[0].subset == "safety"


GOOD = {"prompt": "How?", "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({**GOOD, "chosen": None}, "line 2: chosen"),
        ({**GOOD, "rejected": [{"role": "assistant"}]}, "line 2: rejected"),
        ({**GOOD, "prompt": []}, "line 2: messages"),
        ({**GOOD, "prompt": [{"role": "user", "content": ["x"]}]}, r"line 2: messages\[0\]\.content"),
        ({**GOOD, "prompt": [{"content": "x"}]}, r"line 2: messages\[0\]\.role"),
        ([], "line 2: a pair is an object"),
    ],
)
def test_what_is_no_pair_names_line_and_field(tmp_path: Path, row: Any, told: str) -> None:
    with pytest.raises(PairsRefused, match=told):
        read_pairs(written(tmp_path, GOOD, row))


def test_an_empty_file_and_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(PairsRefused, match="holds no pairs"):
        read_pairs(written(tmp_path))
    with pytest.raises(PairsRefused, match="cannot be read"):
        read_pairs(tmp_path / "none.jsonl")
