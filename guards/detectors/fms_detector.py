"""A detector of the FMS Guardrails family (TrustyAI's and others), asked by the contents contract."""

import hashlib
import time
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from guards.detectors.hazard_names import NamedHazard
from guards.detectors.webhook import Offset, Probability
from guards.kinds import Reach
from guards.models.neutral import sendable
from guards.policy.strict import Strict
from guards.services import NamedService
from guards.verdict import Context, GuardFailed, Segment, Span, Verdict, Where

ROUTE = "/api/v1/text/contents"
ANY = "*"


class FmsConfig(Strict):
    """Which detector is asked, and what its detections mean; `*` stands for all that are not named."""

    service: NamedService
    detector: Annotated[str, Field(pattern=r"^[\w.:/-]{1,100}$")]  # sent as the header detector-id
    hazards: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=200)], NamedHazard], Field(min_length=1)
    ]
    params: dict[str, Any] = Field(default_factory=dict)
    longest_chars: Annotated[int, Field(ge=1, le=65_536)] = 64  # the longest that a detection may be


class Detection(BaseModel):
    """One detection; offsets are code points, as Python's are."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    start: Offset
    end: Offset
    detection_type: str
    detection: str
    score: Probability


ANSWER = TypeAdapter(list[Annotated[list[Detection], Field(max_length=10_000)]])


class FmsDetector:
    """The kind `fms_detector`."""

    config = FmsConfig

    def hazards(self, config: FmsConfig, where: Where) -> frozenset[str]:
        """Those that its detections mean."""
        return frozenset(config.hazards.values())

    def located(self, config: FmsConfig) -> frozenset[str]:
        """All: a detection has its place, be it the whole text."""
        return frozenset(config.hazards.values())

    def reach(self, config: FmsConfig, hazards: frozenset[str]) -> Reach:
        """What it marks must be seen whole."""
        return Reach(config.longest_chars, "longest_chars of what the detector marks")

    def revision(self, config: FmsConfig) -> str:
        """A hash of the contract's name; what answers is the service's matter."""
        return hashlib.sha256(ROUTE.encode()).hexdigest()

    def build(self, name: str, config: FmsConfig) -> "FmsGuard":
        """The guard; nothing is asked yet."""
        return FmsGuard(name, config)


class FmsGuard:
    """Sends each segment by itself, and translates what is detected."""

    def __init__(self, name: str, config: FmsConfig) -> None:
        self.name = name
        self.config = config

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment; raises GuardFailed."""
        started, service = time.perf_counter(), self.config.service
        body = {"contents": [sendable(segment.text)], "detector_params": self.config.params}
        told = await service.ask(ROUTE, body, {"detector-id": self.config.detector})
        try:
            answered = ANSWER.validate_python(told)
        except ValidationError as error:
            raise GuardFailed(
                f"service {service.name} answered with something that is no detections"
            ) from error
        if len(answered) != 1:
            raise GuardFailed(f"service {service.name} answered for {len(answered)} texts, and got one")
        spans: list[Span] = []
        scores: dict[str, float] = {}
        for one in answered[0]:
            hazard = self.meant(one)
            if hazard is not None:
                spans.append(Span(one.start, one.end, hazard, self.label(one)))
                scores[hazard] = max(one.score, scores.get(hazard, 0.0))
        return Verdict(self.name, scores, tuple(spans), time.perf_counter() - started)

    def meant(self, one: Detection) -> str | None:
        """The hazard that a detection is: by its own name, its type's, or as any other."""
        known = self.config.hazards
        return known.get(one.detection) or known.get(one.detection_type) or known.get(ANY)

    def label(self, one: Detection) -> str:
        """What it is called: a name that the policy has, since a detection may be the very text."""
        return next((each for each in (one.detection, one.detection_type) if each in self.config.hazards), "")
