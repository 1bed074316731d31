"""Answers and their marks as files: JSON lines named by their SHA-256, for people and for the gate."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from finetune.exams.report import Comparison, Marked, compare
from finetune.pairs.dataset import write_whole

MARKED = TypeAdapter(Marked)


def write_marks(marked: Sequence[Marked], folder: Path) -> Path:
    """Write an exam's answers down; the same answers are the same file."""
    data = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in marked).encode()
    path = folder / f"{hashlib.sha256(data).hexdigest()}.jsonl"
    if not path.exists():
        write_whole(path, data)
    return path


def read_marks(path: Path) -> list[Marked]:
    """The answers of an exam."""
    return [MARKED.validate_json(line) for line in path.read_bytes().splitlines()]


def compare_files(before: Path, after: Path) -> Comparison:
    """What changed between two exams."""
    return compare(read_marks(before), read_marks(after))
