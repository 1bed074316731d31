"""What a caller asked of the model, and what comes back: a job, its rows, and one delta per token."""

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from random import Random

from gateway.engines.pocket.text import Decode, Writer

# Base weights with or without an adapter, never changed once made; only the model knows what is inside.
Version = Hashable


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the tokens of one request are drawn, and when an answer ends."""

    max_tokens: int
    min_tokens: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0  # 0 keeps the whole vocabulary
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    keep_stop: bool = False
    stop_tokens: frozenset[int] = frozenset()
    ignore_eos: bool = False
    logprobs: int | None = None  # how many alternatives to report beside each token; None reports nothing

    @property
    def penalised(self) -> bool:
        return bool(self.presence_penalty or self.frequency_penalty or self.repetition_penalty != 1.0)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One token as the model drew it; log probabilities are the model's own, before temperature and cuts."""

    token: int
    logprob: float = 0.0
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """One token's worth of one choice; `finish_reason` marks the last of its choice."""

    index: int
    drawn: Drawn
    text: str
    finish_reason: str | None = None
    stop_reason: str | int | None = None


@dataclass(eq=False, slots=True)
class Job:
    """One request: a prompt, answered n times on the version it began on."""

    version: Version
    prompt: tuple[int, ...]
    sampling: Sampling
    seed: int
    n: int = 1
    since: float = field(default_factory=time.monotonic)
    started: int = 0
    finished: int = 0

    @property
    def waiting(self) -> int:
        return self.n - self.started

    @property
    def running(self) -> int:
        return self.started - self.finished

    @property
    def longest(self) -> int:
        """The most tokens that one of its rows may grow to."""
        return len(self.prompt) + self.sampling.max_tokens


@dataclass(eq=False, slots=True)
class Row:
    """One choice in the making; child i of a job draws from seed + i, whatever else is in the batch."""

    job: Job
    index: int
    decode: Decode
    eos: frozenset[int]
    tokens: list[int] = field(default_factory=list)
    noise: Random = field(init=False)
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.noise = Random((self.job.seed + self.index) & (2**64 - 1))
        self.writer = Writer(self.decode, self.job.sampling.stop, keep_stop=self.job.sampling.keep_stop)

    @property
    def banned(self) -> Sequence[int]:
        """Tokens that may not be drawn next: those that would end the answer before `min_tokens`."""
        if len(self.tokens) >= self.job.sampling.min_tokens:
            return ()
        return sorted(self.job.sampling.stop_tokens | self.eos)

    def take(self, drawn: Drawn) -> Delta:
        """Add a drawn token, and say what it lets out and whether it was the last."""
        self.tokens.append(drawn.token)
        asked = self.job.sampling
        if drawn.token in asked.stop_tokens:
            return Delta(self.index, drawn, self.writer.close(), "stop", drawn.token)
        if drawn.token in self.eos and not asked.ignore_eos:
            return Delta(self.index, drawn, self.writer.close(), "stop")
        text = self.writer.write(drawn.token, may_stop=len(self.tokens) >= asked.min_tokens)
        if self.writer.stopped is not None:
            return Delta(self.index, drawn, text, "stop", self.writer.stopped)
        if len(self.tokens) >= asked.max_tokens:
            return Delta(self.index, drawn, text + self.writer.close(), "length")
        return Delta(self.index, drawn, text)
