"""The prompts of an exam: JSON lines of id, messages, kind and hazard."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finetune.errors import ExamFailed
from finetune.exams.contract import Question
from guards.wording import worded


class Line(BaseModel):
    """One prompt as it stands in a file; fields of others are let through."""

    model_config = ConfigDict(extra="ignore")

    id: str
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    kind: str
    hazard: str | None = None


def bundled() -> Path:
    """The exam that comes with the pocket policy; none of its prompts is in the pocket corpus."""
    return Path(str(files("finetune") / "pocket" / "prompts" / "exam.jsonl"))


def read_questions(path: Path) -> tuple[Question, ...]:
    """The prompts of a file, each id once; raises ExamFailed and names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExamFailed(f"the exam's prompts cannot be read: {error}") from error
    found = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            question = question_of(line, f"{path}:{number}")
            if question.id in found:
                raise ExamFailed(f"{path}:{number}: the id {question.id} is there twice")
            found[question.id] = question
    if not found:
        raise ExamFailed(f"{path} holds no prompts")
    return tuple(found.values())


def question_of(line: str, where: str) -> Question:
    """One prompt; messages name what is wrong, and never the prompt's text."""
    try:
        told = Line.model_validate_json(line)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'line'}: {worded(e, Line)}" for e in error.errors()
        )
        raise ExamFailed(f"{where}: {wrong}") from None
    return Question(told.id, tuple(told.messages), told.kind, told.hazard or "")
