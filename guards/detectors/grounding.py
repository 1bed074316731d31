"""The grounding guard: sentences of a reply that the material it was given does not bear out.

The embedded method looks numbers, names and words up; it knows no meaning, so what it says is a suspicion. A model of
entailment, where one is named, reads each sentence against the places that are likest to it.
"""

import math
import re
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, ValidationInfo, field_validator

from guards.detectors.claims import ENDED, Claim, Source, claims
from guards.kinds import Reach
from guards.policy.beside import beside
from guards.policy.strict import Strict
from guards.verdict import Context, GuardUnavailable, Segment, Span, Verdict, Where

HAZARD = "G.ungrounded"
ROLES = {"tool": "tool", "function": "tool", "user": "user", "system": "system", "developer": "system"}
# What is said about the answer and claims nothing, or says that the material is silent.
BESIDE = re.compile(
    r"(?i)\?\s*$|\b(?:let me know|hope (?:this|that) helps|feel free|happy to help|i'm (?:sorry|afraid|not)"
    r"|i (?:do not|don't|can ?not|can't|could not|couldn't|am not|was not|am unable)"
    r"|(?:not|n't|nothing|no) (?:\w+ ){0,3}"
    r"(?:mention|say|state|specif|includ|provid|contain|give|tell|information|detail))"
)
# Logits: of a plain sentence, of the first number or name that is nowhere, of each further one, of missing words.
PLAIN, NUMBER, NAME, MORE = -3.6, 3.9, 3.1, 0.7
UNCOVERED, APART = 5.5, 3.0
REMEMBERED = 8  # materials
PASSAGES, PASSAGE_CHARS = 3, 600
SENTENCE_CHARS = 400


class GroundingConfig(Strict):
    """What counts as material, and who reads it."""

    sources: tuple[Literal["tool", "user", "system"], ...] = ("tool", "user")
    least_words: Annotated[int, Field(ge=1)] = 60  # from which on a user's or an operator's text is material
    model: Path | None = None  # a model of entailment: a folder beside the policy

    @field_validator("model")
    @classmethod
    def usable(cls, model: Path | None, info: ValidationInfo) -> Path | None:
        """Loads the model, so that a fault shows when the policy is loaded."""
        if model is None:
            return None
        folder = beside(model, info)
        try:
            entailment().load_entailment(folder)
        except (GuardUnavailable, ImportError) as error:
            raise ValueError(str(error)) from error
        return folder


def entailment() -> Any:
    """The room of entailment models, which a plain install cannot enter; raises ImportError."""
    return import_module("guards.models.entailment")


class Entailing(Protocol):
    """Whoever tells whether one text follows from another."""

    def entailed(self, premises: Sequence[str], hypothesis: str) -> list[float]:
        """The probability that the hypothesis follows, from each of the premises."""
        ...


class Grounding:
    """The kind `grounding`."""

    config = GroundingConfig

    def hazards(self, config: GroundingConfig, where: Where) -> frozenset[str]:
        """An answer without ground."""
        return frozenset({HAZARD})

    def located(self, config: GroundingConfig) -> frozenset[str]:
        """All: it names the sentences."""
        return frozenset({HAZARD})

    def reach(self, config: GroundingConfig, hazards: frozenset[str]) -> Reach:
        """A sentence in full."""
        return Reach(SENTENCE_CHARS, "a sentence")

    def revision(self, config: GroundingConfig) -> str:
        """A hash of the model, where there is one."""
        return (
            "1"
            if config.model is None
            else str(import_module("guards.models.sentences").revision_of(config.model))
        )

    def build(self, name: str, config: GroundingConfig) -> "GroundingGuard":
        """The guard."""
        model = None if config.model is None else entailment().load_entailment(config.model)
        return GroundingGuard(name, config, model)


class GroundingGuard:
    """Looks up what a reply claims in what it was given; without material it says nothing."""

    def __init__(self, name: str, config: GroundingConfig, model: Entailing | None = None) -> None:
        self.name = name
        self.config = config
        self.model = model
        self._known: OrderedDict[bytes, Source] = OrderedDict()

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment of a reply, in the light of the material."""
        return self.check_now(segment, context)

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        """The segment's own, and the material with all that was asked."""
        if not self.material(context):
            return (segment.text,)
        return (segment.text, "whole" if segment.whole else "piece", *support(context))

    def weighs(self, segment: Segment, context: Context) -> int:
        """The segment's length, and the material's where it is not known; much where a model reads."""
        if not self.material(context):
            return 0
        fresh = 0 if self.key_of(context) in self._known else sum(map(len, support(context)))
        return (len(segment.text) + fresh) * (1 if self.model is None else 1000)

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        """The verdict, computed here and now."""
        started = time.perf_counter()
        scores: dict[str, float] = {}
        spans: list[Span] = []
        if self.material(context):
            judged = list(self.judged(segment, context))
            scores = {HAZARD: max((probability for _, probability in judged), default=0.0)} if judged else {}
            spans = [
                Span(claim.start, claim.end, HAZARD, "unsupported sentence")
                for claim, probability in judged
                if probability >= 0.5
            ]
        return Verdict(self.name, scores, tuple(spans), time.perf_counter() - started)

    def judged(self, segment: Segment, context: Context) -> Iterator[tuple[Claim, float]]:
        """Each sentence that claims something, and how likely it has no ground; one that is not at its end waits."""
        source = self.source_of(context)
        found = list(claims(segment.text))
        if found and not segment.whole and not ENDED.search(segment.text):
            found.pop()
        for claim in found:
            context.work.go_on()
            if claim.empty or (source.has_all(claim) and BESIDE.search(segment.text, claim.start, claim.end)):
                continue
            if self.model is None:
                yield claim, doubt(claim, source)
            else:
                yield claim, self.unfollowed(segment.text[claim.start : claim.end], claim, context)

    def unfollowed(self, sentence: str, claim: Claim, context: Context) -> float:
        """How likely no place of the material entails a sentence."""
        assert self.model is not None
        passages = nearest(claim, self.material(context))
        return 1.0 - max(self.model.entailed(passages, sentence), default=0.0)

    def material(self, context: Context) -> list[str]:
        """The texts that a reply has to keep to."""
        return [
            text
            for role, text in context.turns
            if (kind := ROLES.get(role)) in self.config.sources
            and (kind == "tool" or len(text.split()) >= self.config.least_words)
        ]

    def key_of(self, context: Context) -> bytes:
        """What the conversation's material is known by."""
        return b"".join(map(context.digest_of, support(context)))

    def source_of(self, context: Context) -> Source:
        """All that a reply may rest on, ready for looking up; kept, since every piece of a stream asks again."""
        key = self.key_of(context)
        known = self._known.get(key)
        if known is None:
            known = Source()
            for text in support(context):
                known.add(text)
            self._known[key] = known
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return known


def support(context: Context) -> list[str]:
    """Whatever a reply may rest on: all that was said, but for what the model itself did."""
    return [text for role, text in context.turns if role != "assistant"]


def doubt(claim: Claim, source: Source) -> float:
    """How likely a claim has no ground, from what of it is nowhere."""
    numbers = len(claim.numbers - source.numbers)
    names = len(claim.names - source.stems)
    logit = PLAIN + UNCOVERED * (1 - source.covered(claim)) + APART * (1 - source.together(claim))
    logit += (NUMBER if numbers else 0) + (NAME if names else 0) + MORE * max(0, numbers + names - 1)
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


def nearest(claim: Claim, material: Sequence[str]) -> list[str]:
    """The places of the material that share most words with a claim."""
    passages = [
        text[start : start + PASSAGE_CHARS]
        for text in material
        for start in range(0, len(text), PASSAGE_CHARS // 2)
    ]

    def shared(passage: str) -> int:
        return sum(len(claim.stems & one.stems) + len(claim.numbers & one.numbers) for one in claims(passage))

    return sorted(passages, key=shared, reverse=True)[:PASSAGES]
