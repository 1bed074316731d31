"""The encoder: a sequence classifier such as Prompt Guard 2, in this process, over windows of a text's tokens."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from guards.batches import Batches
from guards.detectors.hazard_names import NamedHazard
from guards.kinds import Reach
from guards.models.encoder import Encoder as Model
from guards.models.encoder import Tokens, load_encoder
from guards.models.neutral import sendable
from guards.policy.beside import beside
from guards.policy.strict import Strict
from guards.verdict import Context, GuardFailed, GuardUnavailable, Segment, Span, Verdict, Where

AT_ONCE_CHARS = 4000  # are made tokens of on the event loop; more in a thread


class EncoderConfig(Strict):
    """Which model judges, what its labels mean, and how a text is cut for it."""

    model: Annotated[str, Field(min_length=1, max_length=400)]  # a folder beside the policy, or a hub's name
    revision: Annotated[str, StringConstraints(pattern=r"^[\w./-]{1,100}$")] | None = None  # of a hub's model
    labels: Annotated[dict[str, NamedHazard], Field(min_length=1)]  # label: hazard
    device: Annotated[str, StringConstraints(pattern=r"^(cpu|mps|cuda(:\d+)?)$")] = "cpu"
    window_tokens: Annotated[int, Field(ge=16, le=65_536)] = 512
    overlap_tokens: Annotated[int, Field(ge=0, le=4096)] = 64
    most_windows: Annotated[int, Field(ge=1, le=100_000)] = 256
    batch: Annotated[int, Field(ge=1, le=512)] = 16

    @field_validator("model")
    @classmethod
    def found(cls, model: str, info: ValidationInfo) -> str:
        """A folder's path from the policy's; a hub's name only where the operator's own file gives it."""
        confined = bool((info.context or {}).get("confined"))
        folder = beside(Path(model), info)
        if confined and not folder.is_dir():
            raise ValueError(
                f"there is no folder {model} beside the configured policy, whose models alone it may use"
            )
        return str(folder) if folder.is_dir() else model

    @model_validator(mode="after")
    def loadable(self) -> Self:
        """Refuses a model that cannot be loaded, or has not the labels, so that the fault shows at load."""
        try:
            known = self.loaded().labels
        except GuardUnavailable as error:
            raise ValueError(str(error)) from error
        if wrong := sorted(set(self.labels) - set(known)):
            raise ValueError(f"labels: the model has no {', '.join(wrong)}; it has {', '.join(known)}")
        return self

    def loaded(self) -> Model:
        """The model; raises GuardUnavailable."""
        return load_encoder(self.model, self.revision, self.device)


class Encoder:
    """The kind `encoder`."""

    config = EncoderConfig

    def hazards(self, config: EncoderConfig, where: Where) -> frozenset[str]:
        """Those that its labels mean."""
        return frozenset(config.labels.values())

    def located(self, config: EncoderConfig) -> frozenset[str]:
        """None: it judges a text as a whole."""
        return frozenset()

    def reach(self, config: EncoderConfig, hazards: frozenset[str]) -> Reach:
        """It judges whatever it is given."""
        return Reach()

    def revision(self, config: EncoderConfig) -> str:
        """A hash of the weights, or the commit of a hub's model."""
        return config.loaded().revision

    def build(self, name: str, config: EncoderConfig) -> "EncoderGuard":
        """The guard with its model."""
        return EncoderGuard(name, config)


class EncoderGuard:
    """Judges each window of a text, together with those of other requests, and takes each label's highest."""

    def __init__(self, name: str, config: EncoderConfig) -> None:
        self.name = name
        self.config = config
        self.model = config.loaded()
        self.batches = batches_of(self.model, config.batch)

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment by itself: such models are trained on single texts."""
        started, text = time.perf_counter(), sendable(segment.text)
        if not text.strip():
            return Verdict(self.name, {}, (), time.perf_counter() - started)
        shown = (
            self.windows(text) if len(text) <= AT_ONCE_CHARS else await asyncio.to_thread(self.windows, text)
        )
        if len(shown) > self.config.most_windows:
            raise GuardFailed(
                f"the text has {len(shown)} windows, and most_windows is {self.config.most_windows}"
            )
        judged = await self.batches.ask(shown)
        scores, named = self.worst(judged)
        spans = tuple(Span(0, len(text), hazard, label) for hazard, label in named.items())
        return Verdict(self.name, scores, spans, time.perf_counter() - started)

    def windows(self, text: str) -> list[Tokens]:
        """The text as the model is shown it."""
        return self.model.windows(text, self.config.window_tokens, self.config.overlap_tokens)

    def worst(self, judged: Sequence[Sequence[float]]) -> tuple[dict[str, float], Mapping[str, str]]:
        """Each hazard's highest probability in any window, and the label of those that are likelier than not."""
        scores: dict[str, float] = {}
        named: dict[str, str] = {}
        for place, label in enumerate(self.model.labels):
            hazard = self.config.labels.get(label)
            score = max(shares[place] for shares in judged)
            if hazard is not None and score >= scores.get(hazard, 0.0):
                scores[hazard] = score
                if score >= 0.5:
                    named[hazard] = label
        return scores, named


@lru_cache(maxsize=4)
def batches_of(model: Model, most: int) -> Batches[Tokens, list[float]]:
    """The thread of a model, shared by all guards that use it."""
    return Batches(model.probabilities, most)
