"""The words of scoring: what a backend is asked to load, what it promises, and how one is found by name.

A backend is a function `load(spec) -> Scorer`, declared under the entry point group `trimtab.scorers`.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from rewardserve.errors import ModelUnusable

GROUP = "trimtab.scorers"
Dtype = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, flattened to text."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which reward model to load, and how to run it."""

    model: str  # a folder, or a name on the Hugging Face hub
    served_name: str | None = None  # None: the folder's name, or the name on the hub
    device: str = "auto"
    dtype: Dtype = "auto"
    label_index: int | None = None  # which logit is the reward, for models with more than one
    max_tokens: int | None = None  # None: as many as the model reads
    cpu_threads: int | None = None  # None: torch's own choice
    chat_template: Path | None = None  # None: the tokenizer's own
    system_messages: Literal["keep", "drop"] = "keep"
    prefix_sharing: bool = True
    trust_remote_code: bool = False
    # Parts of the reward by name, each the index of a logit; "config": as the checkpoint itself names its logits.
    heads: Mapping[str, int] | Literal["config"] = field(default_factory=dict)
    weights: Mapping[str, float] = field(
        default_factory=dict
    )  # of the heads in the reward; empty: their mean
    batch_padded_tokens: int = 16_384  # the most that one forward pass may hold, a shared cache included
    worker: int = 0  # which of several that load the same model: each takes an accelerator of its own
    url: str | None = None  # of the engine that runs it, for backends that ask one
    api_key: str | None = field(default=None, repr=False)
    timeout_seconds: float = 30.0  # for one answer of that engine
    options: Mapping[str, Any] = field(
        default_factory=dict
    )  # the backend's own; each refuses what it does not know


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What was loaded."""

    name: str
    architecture: str
    parameters: int
    max_tokens: int
    device: str
    dtype: str
    prefix_sharing: bool
    input: Literal["chat", "pair", "plain"]  # how a conversation becomes text; see render.py
    heads: tuple[str, ...] = ()  # the parts that its rewards have


class Measured(Protocol):
    """Anything that knows how many tokens it costs."""

    @property
    def tokens(self) -> int:
        """Its length in tokens, special tokens included."""
        ...


@runtime_checkable
class Beginning(Measured, Protocol):
    """An item that begins like others of its conversation: what they share costs a batch only once."""

    @property
    def conversation(self) -> Hashable:
        """Equal for items that begin alike."""
        ...

    @property
    def shared(self) -> int:
        """How many tokens, from the first, every item of the conversation has in common; an estimate."""
        ...


@dataclass(frozen=True, slots=True)
class Spent:
    """What one call of `score` cost in tokens."""

    read: int  # by the model, padding left out
    padded: int  # padding included
    saved: int  # that were asked for, and needed no reading since another item had them too


@runtime_checkable
class Accounting(Protocol):
    """A scorer that can tell what its last call of `score` cost."""

    @property
    def spent(self) -> Spent:
        """Of the last call; read by the thread that made it."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A scorer that holds something which has to be given back."""

    def close(self) -> None:
        """Give it back; nothing is scored afterwards."""
        ...


@runtime_checkable
class Routed(Protocol):
    """A scorer that compares rewards within a route."""

    def on_route(self, items: Sequence[Any], route: str) -> list[Any]:
        """The items, knowing with which others they are compared."""
        ...


ItemT = TypeVar("ItemT", bound=Measured)


class Scorer(Protocol[ItemT]):
    """A loaded reward model: text to items on any thread, items to rewards on one."""

    @property
    def card(self) -> ModelCard:
        """What was loaded."""
        ...

    def prepare(
        self, messages: Sequence[Message], candidates: Sequence[str], *, partial: bool = False
    ) -> list[ItemT]:
        """One item per candidate, without an end of turn where it is `partial`; raises BadInput naming the field."""
        ...

    def score(self, items: Sequence[ItemT]) -> Sequence[float]:
        """One raw reward per item, in order, a Reward where it has parts; blocks, and is never called twice at once."""
        ...


def load_scorer(backend: str, spec: ModelSpec) -> Scorer[Measured]:
    """The model that `spec` names, loaded by the named backend."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if backend not in found:
        raise ModelUnusable(
            f"no scorer backend called {backend!r}; installed: {', '.join(sorted(found)) or 'none'}"
        )
    try:
        load: Callable[[ModelSpec], Scorer[Measured]] = found[backend].load()
    except ImportError as error:
        raise ModelUnusable(
            f"the {backend!r} backend cannot start: {error}. Try: pip install 'trimtab[rewardserve]'"
        ) from error
    return load(spec)
