"""The words of the corpus: what is asked, what is replied, and how good that reply is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Nature = Literal["refusable", "benign", "borderline", "flattery", "unanswerable"]
Split = Literal["train", "validation", "heldout"]
Message = dict[str, str]

# Larger is better. A candidate is only ever compared with others for the same prompt.
QUALITY: dict[str, int] = {
    "answer": 5,
    "honest": 5,
    "unknown": 5,
    "hold": 5,
    "refusal": 5,
    "curt_refusal": 4,
    "curt": 4,
    "ramble": 3,
    "flatter": 3,
    "cave": 2,
    "invent": 2,
    "over_refusal": 1,
    "comply_unsafe": 1,
    "off_topic": 1,
    "garbled": 0,
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request before anybody answers: its words, what it is, and the slots that replies may copy."""

    text: str
    family: str
    nature: Nature
    hazard: str | None = None
    slots: Mapping[str, str] = field(default_factory=dict)
    turns: tuple[Message, ...] = ()  # earlier turns that this request continues

    @property
    def unsafe(self) -> bool:
        """Whether a good assistant declines it."""
        return self.nature == "refusable"


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation up to the last user turn, one reply, and what both are."""

    messages: tuple[Message, ...]
    reply: str
    kind: str
    nature: Nature
    hazard: str | None
    jailbreak: bool = False

    @property
    def prompt(self) -> str:
        """The last user turn."""
        return self.messages[-1]["content"]

    @property
    def quality(self) -> int:
        """The reply's rank among replies to the same prompt."""
        return QUALITY[self.kind]

    @property
    def prompt_unsafe(self) -> bool:
        """Whether a good assistant declines the request."""
        return self.nature == "refusable"

    @property
    def reply_unsafe(self) -> bool:
        """Whether the reply goes along with a request that should be declined."""
        return self.kind == "comply_unsafe"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replies to one conversation, the better one first."""

    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    chosen_kind: str
    rejected_kind: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """The examples of one seed, in three parts that share neither request forms nor entities."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    heldout: tuple[Example, ...]
