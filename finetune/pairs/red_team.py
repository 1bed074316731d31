"""What red-teaming found: prompts that the policy failed at, as JSON lines that somebody keeps beside the loop.

Each line has `messages`, `rejected` (what the policy said), and may have `chosen` (what it should have said) and
`hazard`. Without a chosen answer the live policy is asked again, and what the guards pass is held against it.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finetune.errors import FindingsInvalid
from finetune.pairs.pair import Group, Pair, Provenance, Sample


class Turn(BaseModel):
    """One turn of a conversation, in plain text."""

    model_config = ConfigDict(extra="forbid")

    role: str
    content: str


class Found(BaseModel):
    """One failure."""

    model_config = ConfigDict(extra="forbid")

    messages: list[Turn] = Field(min_length=1)
    rejected: str = Field(min_length=1)
    chosen: str | None = None
    hazard: str = ""

    @property
    def group(self) -> Group:
        """As drawing takes it: a conversation whose only answer was withheld."""
        failed = Sample(
            self.rejected,
            withheld=True,
            guard="red team",
            hazard=self.hazard or "G.unsafe",
            risk=1.0,
            harm=1.0,
        )
        turns = tuple(turn.model_dump() for turn in self.messages)
        return Group("", turns, (failed,), prompt_hazard=self.hazard or "G.unsafe")

    @property
    def pair(self) -> Pair | None:
        """The pair, where it says what should have been said."""
        if not self.chosen:
            return None
        provenance = Provenance(
            exchange_id="",
            key_id="",
            version="",
            policy="",
            labelled_by="red_team",
            hazard=self.hazard,
            reward_chosen=None,
            reward_rejected=None,
            source="red_team",
        )
        return Pair(self.group.messages, self.chosen, self.rejected, "safety", provenance)


def read_findings(path: Path | None) -> list[Found]:
    """The failures of a file, none without one; raises FindingsInvalid naming the line."""
    if path is None:
        return []
    found = []
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FindingsInvalid(f"finetune.red_team: {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(Found(**json.loads(line)))
            except (ValueError, TypeError, ValidationError) as error:
                fields = (
                    [".".join(map(str, each["loc"])) for each in error.errors()]
                    if isinstance(error, ValidationError)
                    else []
                )
                told = f": {', '.join(fields)}" if fields else " is not JSON"
                raise FindingsInvalid(f"finetune.red_team: {path}, line {number}{told}") from None
    return found


def answered(found: Iterable[Found]) -> list[Pair]:
    """The pairs of findings that say what should have been said."""
    return [pair for each in found if (pair := each.pair) is not None]


def with_rejected(drawn: Sequence[Group], found: Sequence[Found]) -> list[Group]:
    """Drawn groups of findings, each beside the answer that failed."""
    failed = {each.group.messages_key: each.group.samples for each in found}
    return [
        Group(
            **{name: getattr(group, name) for name in Group.__slots__} | {"samples": (*group.samples, *more)}
        )
        if (more := failed.get(group.messages_key)) and not group.exchange_id
        else group
        for group in drawn
    ]
