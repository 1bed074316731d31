"""The words of pair making: a group of candidates for one conversation, and the pairs made of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["safety", "helpfulness"]
# What a pair was made of: a guard's or a reward model's label, a revision, or somebody's word.
Source = Literal["guard", "reward", "revision", "edit", "review", "feedback", "overturn", "red_team"]
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One candidate as a labeller sees it: what the guards and the reward model made of its text."""

    text: str
    reward: float | None = None
    withheld: bool = (
        False  # a guard found something in it; one that merely failed says nothing about the text
    )
    checked: bool = True  # every guard has read it
    risk: float = 0.0  # the likeliest hazard's raw probability, over every guard that read it
    harm: float = 0.0  # the same of the hazards that say harm is done, not of personal data or a topic
    flagged: bool = False  # such harm was found, and passed because the policy lets it
    guard: str = ""  # the guard behind the withholding, or behind `harm`
    hazard: str = ""
    finished: bool = True  # it ended by itself, not at the token limit


@dataclass(frozen=True, slots=True)
class Group:
    """The candidates of one exchange: the only place where two answers may be compared."""

    exchange_id: str
    messages: tuple[Message, ...]
    samples: tuple[Sample, ...]
    key_id: str = ""
    version: str = ""
    policy: str = ""
    prompt_hazard: str = ""  # what the guards found in the prompt itself, if anything
    subject: str | None = None
    drawn: bool = False  # sampled after the fact for the same conversation, not in traffic
    day: str = ""  # of the exchange, UTC, such as 2026-05-03

    @property
    def messages_key(self) -> str:
        """The conversation as one string, for comparing."""
        return key_of(self.messages)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a pair comes from and who labelled it: enough to audit it, to erase it, or to distrust it."""

    exchange_id: str
    key_id: str
    version: str
    policy: str
    labelled_by: (
        str  # "guard:NAME" where a guard withheld the loser, "reward", or the source with the word's id
    )
    hazard: str
    reward_chosen: float | None
    reward_rejected: float | None
    subject: str | None = None
    drawn: bool = False  # as of its group
    source: Source = "reward"
    day: str = ""  # of the exchange; unknown for pairs that were made before days were counted


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one conversation, the first better than the second."""

    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    kind: Kind
    provenance: Provenance

    @property
    def id(self) -> str:
        """Content hash of what is trained on; the same texts have the same id wherever they come from."""
        told = json.dumps([self.messages_key, self.chosen, self.rejected])
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    @property
    def whole(self) -> bool:
        """Whether both sides are said; a rating has one alone."""
        return bool(self.chosen and self.rejected)

    @property
    def ranked_on_harm(self) -> bool:
        """Whether the reward model alone ranked it, and harm was asked for."""
        return self.kind == "safety" and self.provenance.source == "reward"

    @property
    def liked(self) -> bool:
        """Of a rating, which has one side alone, whether it is a good answer."""
        return not self.rejected

    @property
    def messages_key(self) -> str:
        """The conversation as one string, for comparing."""
        return key_of(self.messages)

    @property
    def prompt(self) -> str:
        """The text of the last user turn, which decides whether two pairs ask the same thing."""
        return prompt_text(self.messages)


def key_of(messages: tuple[Message, ...]) -> str:
    """A conversation as one string."""
    return json.dumps([dict(message) for message in messages], sort_keys=True)


def prompt_text(messages: tuple[Message, ...]) -> str:
    """The last user turn's text; parts that are not text are left out."""
    turns = [content_text(message.get("content")) for message in messages if message.get("role") == "user"]
    return turns[-1] if turns else ""


def content_text(content: object) -> str:
    """The text of an OpenAI message content: a string, or a list of typed parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""
