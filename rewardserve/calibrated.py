"""A reward model behind its calibration: nats above a usual answer, without what length alone earns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rewardserve.calibrate import Calibration
from rewardserve.calibration import log_length
from rewardserve.reward import Reward
from rewardserve.scorer import Measured, Message, Routed, Scorer


@dataclass(frozen=True, slots=True)
class CalibratedItem:
    """A candidate as the model has prepared it, and its log length."""

    part: Any
    length: float

    @property
    def tokens(self) -> int:
        """As the model counts them."""
        tokens: int = self.part.tokens
        return tokens


class CalibratedScorer:
    """Any scorer; the raw reward stays in the head `raw`, the chance of winning is the head `win`."""

    def __init__(self, scorer: Scorer[Measured], calibration: Calibration) -> None:
        self.inner = scorer
        self._calibration = calibration
        self.card = scorer.card

    def prepare(
        self, messages: Sequence[Message], candidates: Sequence[str], *, partial: bool = False
    ) -> list[CalibratedItem]:
        """As the model prepares them; raises BadInput."""
        asked = {"partial": True} if partial else {}
        parts = self.inner.prepare(messages, candidates, **asked)
        return [CalibratedItem(part, log_length(text)) for part, text in zip(parts, candidates, strict=True)]

    def on_route(self, items: Sequence[CalibratedItem], route: str) -> list[CalibratedItem]:
        """For a model that compares by route."""
        if not isinstance(self.inner, Routed):
            return list(items)
        parts = self.inner.on_route([item.part for item in items], route)
        return [replace(item, part=part) for item, part in zip(items, parts, strict=True)]

    def score(self, items: Sequence[CalibratedItem]) -> list[float]:
        """One calibrated reward per item."""
        raw = self.inner.score([item.part for item in items])
        return [self._calibrated(reward, item.length) for reward, item in zip(raw, items, strict=True)]

    def _calibrated(self, reward: float, length: float) -> Reward:
        known = reward if isinstance(reward, Reward) else Reward(reward)
        fair = self._calibration.fair(float(reward), length)
        heads = {**known.heads, "raw": float(reward), "win": self._calibration.chance(fair)}
        return Reward(self._calibration.nats(fair), heads, known.spread * self._calibration.scale)

    def close(self) -> None:
        """Let go of the model."""
        getattr(self.inner, "close", lambda: None)()
