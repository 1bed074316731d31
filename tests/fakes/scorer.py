"""A reward model that needs no weights: it rewards by a rule, and can be held, broken or made to lie."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rewardserve.errors import BadInput, TooLong
from rewardserve.reward import Reward
from rewardserve.scorer import Message, ModelCard

CARD = ModelCard(
    name="fake",
    architecture="FakeForSequenceClassification",
    parameters=0,
    max_tokens=100,
    device="cpu",
    dtype="float32",
    prefix_sharing=False,
    input="chat",
)


@dataclass(frozen=True, slots=True)
class FakeItem:
    """A candidate, costing one token per word of it and of the conversation."""

    text: str
    tokens: int


@dataclass
class FakeScorer:
    """Rewards a candidate with the number of its letters; `held` makes the model wait until `free` is set."""

    rule: Callable[[str], float] = len
    card: ModelCard = CARD
    batches: list[list[str]] = field(default_factory=list)
    busy: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.free.set()

    def hold(self) -> None:
        """From now on the model answers nobody until `free` is set."""
        self.free.clear()

    def prepare(
        self, messages: Sequence[Message], candidates: Sequence[str], *, partial: bool = False
    ) -> list[FakeItem]:
        """One item per candidate, a partial one ending in …; refuses an unknown role and too many words."""
        if any(message.role == "martian" for message in messages):
            raise BadInput("the template knows no martian", param="messages")
        said = sum(len(message.content.split()) for message in messages)
        end = "…" if partial else ""
        items = [FakeItem(candidate + end, said + len(candidate.split())) for candidate in candidates]
        for number, item in enumerate(items):
            if item.tokens > self.card.max_tokens:
                raise TooLong(f"{item.tokens} tokens", param=f"candidates[{number}]")
        return items

    def score(self, items: Sequence[FakeItem]) -> list[float]:
        """One reward per item, by the rule."""
        self.batches.append([item.text for item in items])
        self.busy.set()
        assert self.free.wait(10), "a test held the model and forgot it"
        rewards = [self.rule(item.text) for item in items]
        return [one if isinstance(one, Reward) else float(one) for one in rewards]
