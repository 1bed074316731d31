"""The operator's own guard behind HTTP: a contract of ours, versioned and signed (docs/guard-webhook.md)."""

import hashlib
import hmac
import json
import time
import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from guards.detectors.hazard_names import NamedHazard
from guards.kinds import Reach
from guards.models.neutral import sendable
from guards.policy.strict import Strict
from guards.services import NamedService, Service
from guards.verdict import Context, GuardFailed, Segment, Span, Verdict, Where
from guards.wording import worded

CONTRACT_VERSION = 1
TIMESTAMP, SIGNATURE, REQUEST = "x-trimtab-timestamp", "x-trimtab-signature", "x-trimtab-request"
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
Offset = Annotated[int, Field(ge=0, strict=True)]
# A label may stand in a redacted text, and in the ledger.
Label = Annotated[str, Field(max_length=60, pattern=r"^[\w .,:/()&+-]*$")]


class WebhookConfig(Strict):
    """Which service is asked, what it may report, and how much it is told."""

    service: NamedService
    hazards: Annotated[tuple[NamedHazard, ...], Field(min_length=1)]
    located: tuple[NamedHazard, ...] = ()  # of these, those that come with spans
    longest_chars: Annotated[int, Field(ge=1, le=65_536)] = 64  # the longest that a span may be
    history_turns: Annotated[int, Field(ge=0, le=1000)] = 8
    most_chars: Annotated[int, Field(ge=1, le=10_000_000)] = 200_000

    @field_validator("service")
    @classmethod
    def signs(cls, service: Service) -> Service:
        """Refuses a service without a secret: an unsigned request could be anybody's."""
        if service.secret is None:
            raise ValueError("the service has no signing_secret, with which a webhook's requests are signed")
        return service

    @field_validator("located")
    @classmethod
    def reported(cls, located: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Refuses places of hazards that it does not report."""
        if wrong := set(located) - set(info.data.get("hazards", located)):
            raise ValueError(f"{', '.join(sorted(wrong))} must stand under hazards as well")
        return located


class Told(BaseModel):
    """A part of an answer; fields that a later version may add are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ToldSpan(Told):
    """Characters (code points) [start, end) of the segment's text."""

    start: Offset
    end: Offset
    hazard: str
    label: Label = ""


class Answered(Told):
    """What the service says."""

    version: Literal[1]
    scores: dict[str, Probability]
    spans: Annotated[list[ToldSpan], Field(max_length=10_000)] = []

    def verdict(self, name: str, config: WebhookConfig, seconds: float) -> Verdict:
        """As a verdict; raises GuardFailed for a hazard that the policy does not expect from it."""
        named = {*self.scores, *(span.hazard for span in self.spans)}
        if named - set(config.hazards) or {span.hazard for span in self.spans} - set(self.scores):
            raise GuardFailed(
                f"service {config.service.name} reported a hazard that the policy does not name, or did not score"
            )
        spans = tuple(Span(one.start, one.end, one.hazard, one.label) for one in self.spans)
        return Verdict(name, self.scores, spans, seconds)


class Webhook:
    """The kind `webhook`."""

    config = WebhookConfig

    def hazards(self, config: WebhookConfig, where: Where) -> frozenset[str]:
        """Those that the policy lets it report."""
        return frozenset(config.hazards)

    def located(self, config: WebhookConfig) -> frozenset[str]:
        """Those that the policy says come with spans."""
        return frozenset(config.located)

    def reach(self, config: WebhookConfig, hazards: frozenset[str]) -> Reach:
        """What it locates must be seen whole; all else it judges as it is given."""
        if hazards & set(config.located):
            return Reach(config.longest_chars, "longest_chars of what the service locates")
        return Reach()

    def revision(self, config: WebhookConfig) -> str:
        """A hash of the contract's version; what answers is the service's matter."""
        return hashlib.sha256(f"webhook {CONTRACT_VERSION}".encode()).hexdigest()

    def build(self, name: str, config: WebhookConfig) -> "WebhookGuard":
        """The guard; nothing is asked yet."""
        return WebhookGuard(name, config)


class WebhookGuard:
    """Sends each segment signed, and checks every field of what comes back."""

    def __init__(self, name: str, config: WebhookConfig) -> None:
        self.name = name
        self.config = config

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The service's verdict on a segment; raises GuardFailed."""
        started, service = time.perf_counter(), self.config.service
        if len(segment.text) > self.config.most_chars:
            raise GuardFailed(f"the text has more than {self.config.most_chars} characters (most_chars)")
        asked = str(uuid.uuid4())
        body = json.dumps(self.question(asked, segment, context)).encode()
        answer = await service.post("", body, signed(service, asked, body, int(time.time())))
        try:
            told = Answered.model_validate(service.understood(answer))
        except ValidationError as error:
            raise GuardFailed(
                f"service {service.name} answered against the contract: {fault_of(error)}"
            ) from None
        return told.verdict(self.name, self.config, time.perf_counter() - started)

    def question(self, asked: str, segment: Segment, context: Context) -> dict[str, Any]:
        """The request's body."""
        turns = context.turns[-self.config.history_turns :] if self.config.history_turns else ()
        return {
            "version": CONTRACT_VERSION,
            "id": asked,
            "guard": self.name,
            "hazards": list(self.config.hazards),
            "segment": {
                "where": segment.where,
                "part": segment.part,
                "direction": segment.direction,
                "text": sendable(segment.text),
            },
            "context": {"turns": [{"role": role, "text": sendable(text)} for role, text in turns]},
        }


def signed(service: Service, asked: str, body: bytes, now: int) -> dict[str, str]:
    """The headers that prove who sent a body, and when."""
    assert service.secret is not None
    secret = service.secret.get_secret_value().encode()
    signature = hmac.new(secret, f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {REQUEST: asked, TIMESTAMP: str(now), SIGNATURE: f"v{CONTRACT_VERSION}={signature}"}


def fault_of(error: ValidationError) -> str:
    """The first fault's field, and what may stand there; names that the service chose are left out."""
    first = error.errors()[0]
    known = {*Answered.model_fields, *ToldSpan.model_fields}
    place = [str(step) for step in first["loc"] if isinstance(step, int) or step in known]
    return f"{'.'.join(place) or 'answer'} {worded(first, Answered)}"
