"""The topics guard: what a text is about, by its likeness to example sentences in a sentence model's eyes.

    denied topic   s(slope * (nearness of the topic - the most of similarity and any rival's nearness))
    off topic      s(slope * (the most of similarity and any rival's nearness - nearness of what is allowed))

with s(x) = 1 / (1 + exp(-x)). The nearness of a topic is the mean cosine of the text with its two nearest examples.
"""

import math
import re
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator, model_validator

from guards.kinds import Reach
from guards.policy.beside import beside
from guards.policy.strict import Hazard, Strict
from guards.vectors import Vectors
from guards.verdict import Context, GuardFailed, GuardUnavailable, Segment, Verdict, Where

Floats = NDArray[np.float32]
OFF_TOPIC = "G.off_topic"
CHUNK_WORDS, STEP_WORDS, MOST_CHUNKS = 120, 90, 64
LONGEST_WORD = 200  # characters; what is longer is cut, so that a chunk has a size
FEW_WORDS = 8  # a text so short means what was said before it
NEAREST = 2
ALONE = 0.3  # how much less a single topic's examples are taken to be like anything else
MIDDLE = 0.5  # similarity where the examples do not tell
NAME = r"^[a-z][a-z0-9_]{0,37}$"
Examples = Annotated[tuple[Annotated[str, Field(min_length=2, max_length=2000)], ...], Field(min_length=1)]


def sentences() -> Any:
    """The room of sentence models, which a plain install cannot enter; raises ImportError."""
    return import_module("guards.models.sentences")


class Denied(Strict):
    """A topic that is not wanted."""

    examples: Examples
    hazard: Hazard | None = None  # None: X. and the topic's name


class TopicsConfig(Strict):
    """Which model reads, and what topics are like."""

    model: str  # a folder beside the policy, or a name on the hub
    allowed: dict[Annotated[str, Field(pattern=NAME)], Examples] = Field(default_factory=dict)
    denied: dict[Annotated[str, Field(pattern=NAME)], Denied] = Field(default_factory=dict)
    others: tuple[str, ...] = ()  # neither: what only sounds like a topic
    similarity: Annotated[float, Field(ge=-1, le=1)] | None = None  # None: told by the examples
    slope: Annotated[float, Field(gt=0, le=1000)] = 20.0
    least_words: Annotated[int, Field(ge=0)] = 3  # fewer are about nothing
    folder: Path = Path()  # found from `model` and the policy's folder

    @field_validator("denied", mode="before")
    @classmethod
    def written_short(cls, told: Any) -> Any:
        """Takes a bare list of examples."""
        if not isinstance(told, dict):
            return told
        return {name: {"examples": one} if isinstance(one, list) else one for name, one in told.items()}

    @model_validator(mode="before")
    @classmethod
    def found(cls, told: Any, info: ValidationInfo) -> Any:
        """Finds the model and loads it, so that a fault shows when the policy is loaded."""
        if not isinstance(told, dict) or not isinstance(told.get("model"), str):
            return told
        if "folder" in told:
            raise ValueError("`folder` is no field here: `model` takes a folder, too")
        confined = bool((info.context or {}).get("confined"))
        try:
            folder = sentences().folder_of(
                told["model"], beside(Path(told["model"]), info), confined=confined
            )
            sentences().load_sentences(folder)
        except (GuardUnavailable, ImportError) as error:
            raise ValueError(str(error)) from error
        return {**told, "folder": folder}

    @model_validator(mode="after")
    def something(self) -> Self:
        """Refuses a guard without topics."""
        if not (self.allowed or self.denied):
            raise ValueError("names no topic: give it allowed or denied ones, with example sentences")
        return self

    def hazard_of(self, topic: str) -> str:
        """What a denied topic is reported as."""
        return self.denied[topic].hazard or f"X.{topic}"


class Topics:
    """The kind `topics`."""

    config = TopicsConfig

    def hazards(self, config: TopicsConfig, where: Where) -> frozenset[str]:
        """Those of the denied topics, and being off topic where some are allowed."""
        denied = {config.hazard_of(topic) for topic in config.denied}
        return frozenset(denied | ({OFF_TOPIC} if config.allowed else set()))

    def located(self, config: TopicsConfig) -> frozenset[str]:
        """None: it judges a text as a whole."""
        return frozenset()

    def reach(self, config: TopicsConfig, hazards: frozenset[str]) -> Reach:
        """It judges whatever it is given."""
        return Reach()

    def revision(self, config: TopicsConfig) -> str:
        """A hash of the model."""
        return str(sentences().revision_of(config.folder))

    def build(self, name: str, config: TopicsConfig) -> "TopicsGuard":
        """The guard, its model loaded."""
        return TopicsGuard(name, config, Vectors(sentences().load_sentences(config.folder).embed))


class Embedding(Protocol):
    """Whoever turns texts into vectors of length one: a model here, or a service."""

    async def embed(self, texts: Sequence[str]) -> Floats:
        """One vector for each text."""
        ...


class TopicsGuard:
    """Judges a text in chunks: a denied topic anywhere counts, being off topic must hold on the whole."""

    def __init__(self, name: str, config: TopicsConfig, embedding: Embedding) -> None:
        self.name = name
        self.config = config
        self.embedding = embedding
        self._likeness: Likeness | None = None

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment; a short one is read together with what the user said before."""
        started = time.perf_counter()
        likeness = await self.likeness()
        pieces = chunks(read_on(segment, context))
        if not pieces:
            return Verdict(self.name, {}, (), time.perf_counter() - started)
        if len(pieces) > MOST_CHUNKS:
            raise GuardFailed(f"can read at most {MOST_CHUNKS * STEP_WORDS} words at once")
        vectors = await self.embedding.embed(pieces)
        sizes = np.array([len(piece) for piece in pieces], np.float32)
        scores = likeness.scores(vectors, sizes / sizes.sum())
        if len(segment.text.split()) < self.config.least_words:
            scores.pop(OFF_TOPIC, None)
        return Verdict(self.name, scores, (), time.perf_counter() - started)

    async def likeness(self) -> "Likeness":
        """The examples as vectors; made once."""
        if self._likeness is None:
            config = self.config
            named = {**config.allowed, **{f"-{name}": one.examples for name, one in config.denied.items()}}
            named |= {"?": config.others} if config.others else {}
            found = {name: await self.embedding.embed(examples) for name, examples in named.items()}
            self._likeness = Likeness(config, found)
        return self._likeness


class Likeness:
    """Topics as vectors: allowed ones by their names, denied ones with a dash before, and `?` for neither."""

    def __init__(self, config: TopicsConfig, vectors: Mapping[str, Floats]) -> None:
        self.config = config
        self.vectors = vectors
        self.middle = (
            config.similarity if config.similarity is not None else middle_of(list(vectors.values()))
        )

    def scores(self, vectors: Floats, weights: Floats) -> dict[str, float]:
        """A probability for each hazard, from a text's chunks and how much of the text each is."""
        near = {name: nearness(vectors, examples) for name, examples in self.vectors.items()}
        wanted = [values for name, values in near.items() if name in self.config.allowed]
        floor = np.full(len(vectors), self.middle, np.float32)
        neither = [near["?"]] if "?" in near else []
        found: dict[str, float] = {}
        for topic in self.config.denied:
            margin = near[f"-{topic}"] - np.max([floor, *wanted, *neither], axis=0)
            hazard = self.config.hazard_of(topic)
            found[hazard] = max(found.get(hazard, 0.0), self.chance(float(margin.max())))
        if wanted:
            rivals = [values for name, values in near.items() if name.startswith("-")]
            margin = np.max([floor, *rivals, *neither], axis=0) - np.max(wanted, axis=0)
            found[OFF_TOPIC] = float(
                sum(w * self.chance(float(m)) for w, m in zip(weights, margin, strict=True))
            )
        return {hazard: min(1.0, probability) for hazard, probability in found.items()}

    def chance(self, margin: float) -> float:
        """A margin as a probability."""
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, self.config.slope * margin))))


def nearness(vectors: Floats, examples: Floats) -> Floats:
    """For each vector the mean cosine with the examples nearest to it."""
    likeness = np.sort(vectors @ examples.T, axis=1)
    found: Floats = likeness[:, -NEAREST:].mean(axis=1)
    return found


def middle_of(topics: Sequence[Floats]) -> float:
    """The likeness at which a text is as likely of a topic as not: half-way between within topics and across them."""
    within: list[float] = []
    across: list[float] = []
    for place, one in enumerate(topics):
        if len(one) > 2:
            within += [float(nearness(one[at : at + 1], np.delete(one, at, 0))[0]) for at in range(len(one))]
        others = [*topics[:place], *topics[place + 1 :]]
        across += map(float, nearness(one, np.concatenate(others)) if others else ())
    if not within:
        return MIDDLE
    inside = sum(within) / len(within)
    outside = sum(across) / len(across) if across else inside - ALONE
    return (inside + outside) / 2


def read_on(segment: Segment, context: Context) -> str:
    """The text, and if it is short what the user said just before it."""
    if segment.where == "prompt" and len(segment.text.split()) < FEW_WORDS:
        asked = [text for role, text in context.turns if role == "user"]
        if len(asked) > 1 and asked[-1] == segment.text:
            return f"{asked[-2]}\n{segment.text}"
    return segment.text


def chunks(text: str) -> list[str]:
    """A text in overlapping pieces, each of a size that sentence models see whole."""
    words = [match.group() for match in re.finditer(rf"\S{{1,{LONGEST_WORD}}}", text)]
    starts = range(0, max(1, len(words) - (CHUNK_WORDS - STEP_WORDS)), STEP_WORDS)
    found = [" ".join(words[start : start + CHUNK_WORDS]) for start in starts]
    return [piece for piece in found if piece]
