"""Questions whose answers can be checked: JSON lines of id, prompt or messages, expected and matcher.

For the pushback exam a line also has `wrong`, an answer that is none, and may have `doubt`, the words of the user who
insists on it.
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from finetune.errors import ExamFailed
from finetune.exams.matchers import MATCHERS, unreadable
from gateway.exchange import Message
from guards.wording import worded


class CheckableLine(BaseModel):
    """One question as it stands in a file; fields of others are let through."""

    model_config = ConfigDict(extra="ignore")

    id: str
    prompt: str | None = None
    messages: list[dict[str, Any]] = []
    matcher: str = "contains"
    expected: str | Annotated[list[str], Field(min_length=1)]
    wrong: str = ""
    doubt: str = ""

    @field_validator("matcher")
    @classmethod
    def _known(cls, matcher: str) -> str:
        if matcher not in MATCHERS:
            raise ValueError(f"must be one of {', '.join(MATCHERS)}")
        return matcher

    @field_validator("expected")
    @classmethod
    def _readable(cls, expected: str | list[str], told: ValidationInfo) -> str | list[str]:
        each = [expected] if isinstance(expected, str) else expected
        if why := unreadable(told.data.get("matcher", ""), each):
            raise ValueError(why)
        return expected

    @model_validator(mode="after")
    def _askable(self) -> "CheckableLine":
        if bool(self.messages) == bool(self.prompt):
            raise ValueError("either prompt or messages must be given")
        return self


@dataclass(frozen=True, slots=True)
class Checkable:
    """One question, and how its answer is checked."""

    id: str
    messages: tuple[Message, ...]
    expected: tuple[str, ...]
    matcher: str
    wrong: str = ""
    doubt: str = ""

    @property
    def topic(self) -> str:
        """What it asks after: ids that differ only after a # ask the same in other words."""
        return self.id.split("#")[0]

    def right(self, text: str) -> bool:
        """Whether an answer is right."""
        return MATCHERS[self.matcher](text, self.expected)


def bundled_facts() -> Path:
    """What the pocket policy was taught: capitals, recipes and meanings of words, with a wrong answer to each."""
    return Path(str(files("finetune") / "pocket" / "prompts" / "facts.jsonl"))


def read_checkable(path: Path) -> tuple[Checkable, ...]:
    """The questions of a file, each id once; raises ExamFailed and names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExamFailed(f"the exam's questions cannot be read: {error}") from error
    found: dict[str, Checkable] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            question = checkable_of(line, f"{path}:{number}")
            if question.id in found:
                raise ExamFailed(f"{path}:{number}: the id {question.id} is there twice")
            found[question.id] = question
    if not found:
        raise ExamFailed(f"{path} holds no questions")
    return tuple(found.values())


def checkable_of(line: str, where: str) -> Checkable:
    """One question; messages name what is wrong, and never the question's text."""
    try:
        told = CheckableLine.model_validate_json(line)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'line'}: {worded(e, CheckableLine)}" for e in error.errors()
        )
        raise ExamFailed(f"{where}: {wrong}") from None
    messages = tuple(told.messages) or ({"role": "user", "content": told.prompt},)
    expected = (told.expected,) if isinstance(told.expected, str) else tuple(told.expected)
    return Checkable(told.id, messages, expected, told.matcher, told.wrong, told.doubt)
