"""The words of scoring: what a backend is asked to load, what it promises, and how one is found by name.

A backend is a function `load(spec) -> Scorer`, declared under the entry point group `trimtab.scorers`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

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


class Measured(Protocol):
    """Anything that knows how many tokens it costs."""

    @property
    def tokens(self) -> int:
        """Its length in tokens, special tokens included."""
        ...


ItemT = TypeVar("ItemT", bound=Measured)


class Scorer(Protocol[ItemT]):
    """A loaded reward model: text to items on any thread, items to rewards on one."""

    @property
    def card(self) -> ModelCard:
        """What was loaded."""
        ...

    def prepare(self, messages: Sequence[Message], candidates: Sequence[str]) -> list[ItemT]:
        """One item per candidate; raises BadInput naming `messages` or `candidates[j]`."""
        ...

    def score(self, items: Sequence[ItemT]) -> list[float]:
        """One raw reward per item, in order; blocks, and is never called twice at once."""
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
