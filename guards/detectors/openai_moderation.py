"""OpenAI's moderation endpoint, or any server that speaks its dialect, as a guard."""

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from guards.kinds import Reach
from guards.models.conversation import edges
from guards.models.neutral import sendable
from guards.models.taxonomy import OPENAI, UNSAFE, VERSION
from guards.policy.strict import Strict
from guards.services import NamedService
from guards.verdict import Context, GuardFailed, Segment, Span, Verdict, Where

MOST_INPUTS = 32  # in one request


class ModerationConfig(Strict):
    """Which service is asked, by which model, and how much text at once."""

    service: NamedService
    model: Annotated[str, Field(min_length=1, max_length=200)] = "omni-moderation-latest"
    window_chars: Annotated[int, Field(ge=500, le=100_000)] = 10_000
    overlap_chars: Annotated[int, Field(ge=0, le=50_000)] = 1000


class OpenAIModeration:
    """The kind `openai_moderation`."""

    config = ModerationConfig

    def hazards(self, config: ModerationConfig, where: Where) -> frozenset[str]:
        """Those of its categories, and unsafe for the likeliest of all."""
        return frozenset({UNSAFE, *OPENAI.values()})

    def located(self, config: ModerationConfig) -> frozenset[str]:
        """None: it judges a text as a whole."""
        return frozenset()

    def reach(self, config: ModerationConfig, hazards: frozenset[str]) -> Reach:
        """It judges whatever it is given."""
        return Reach()

    def revision(self, config: ModerationConfig) -> str:
        """A hash of the table that its categories are translated by."""
        return hashlib.sha256(f"openai {VERSION}".encode()).hexdigest()

    def build(self, name: str, config: ModerationConfig) -> "ModerationGuard":
        """The guard; nothing is asked yet."""
        return ModerationGuard(name, config)


class ModerationGuard:
    """Asks about a text, window by window, and takes each hazard's highest score."""

    def __init__(self, name: str, config: ModerationConfig) -> None:
        self.name = name
        self.config = config

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment by itself: the endpoint knows no conversations."""
        started, told = time.perf_counter(), self.config
        if not segment.text.strip():
            return Verdict(self.name, {}, (), time.perf_counter() - started)
        overlap = min(told.overlap_chars, told.window_chars // 2)
        places = list(edges(len(segment.text), told.window_chars, overlap))
        scores: dict[str, float] = {}
        spans: list[Span] = []
        for first in range(0, len(places), MOST_INPUTS):
            some = places[first : first + MOST_INPUTS]
            texts = [sendable(segment.text[start:end]) for start, end in some]
            body = {"model": told.model, "input": texts}
            results = results_of(await told.service.ask("/moderations", body), len(texts))
            for (start, end), (categories, flagged) in zip(some, results, strict=True):
                for hazard, score in hazards_of(categories).items():
                    scores[hazard] = max(score, scores.get(hazard, 0.0))
                spans += [Span(start, end, OPENAI[name], name, "window") for name in flagged]
        return Verdict(self.name, scores, tuple(spans), time.perf_counter() - started)


Result = tuple[
    Mapping[str, float], Sequence[str]
]  # scores of categories, and those that the service itself flags


def results_of(answer: Any, expected: int) -> list[Result]:
    """The results of an answer; raises GuardFailed where they are not what was asked for."""
    try:
        found = [_result(each) for each in answer["results"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GuardFailed("the service's answer holds no moderation results") from error
    if len(found) != expected:
        raise GuardFailed("the service's answer has another number of results than texts were sent")
    return found


def _result(told: Any) -> Result:
    scores = {str(name): float(score) for name, score in told["category_scores"].items() if score is not None}
    if not scores or not all(math.isfinite(score) and 0 <= score <= 1 for score in scores.values()):
        raise ValueError
    flagged = [str(name) for name, true in (told.get("categories") or {}).items() if true is True]
    return scores, [name for name in flagged if name in OPENAI]


def hazards_of(categories: Mapping[str, float]) -> dict[str, float]:
    """Categories as hazards; a category that we do not know counts as unsafe and no more."""
    found = {UNSAFE: max(categories.values())}
    for name, score in categories.items():
        hazard = OPENAI.get(name, UNSAFE)
        found[hazard] = max(score, found.get(hazard, 0.0))
    return found
