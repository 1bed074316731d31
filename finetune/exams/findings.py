"""What further exams found, as a file: JSON named by its SHA-256, for people and for the gate."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from finetune.errors import ExamFailed
from finetune.exams.plug import Findings
from finetune.pairs.dataset import write_whole

FOUND = TypeAdapter(dict[str, Findings])


def write_findings(found: Mapping[str, Findings], folder: Path) -> Path:
    """Write them down; the same findings are the same file."""
    data = FOUND.dump_json(dict(found), indent=1)
    path = folder / f"{hashlib.sha256(data).hexdigest()}.json"
    if not path.exists():
        write_whole(path, data)
    return path


def read_findings(path: Path | None) -> dict[str, Findings]:
    """The findings by exam; none where no further exam was held. Raises ExamFailed."""
    if path is None:
        return {}
    try:
        return FOUND.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ExamFailed(f"{path} holds no findings: {type(error).__name__}") from None
