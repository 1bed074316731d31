"""The kind `presidio`: Microsoft's analyzer as a guard, for names and places and whatever else it recognises.

An extra: pip install 'trimtab[presidio]'. Without a spaCy model it finds what its expressions find; with one, names.
"""

import hashlib
import time
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from guards.kinds import Reach
from guards.policy.strict import Hazard, Strict
from guards.verdict import Context, GuardUnavailable, Segment, Span, Verdict, Where

INSTALL = "needs presidio-analyzer, which is not installed here: pip install 'trimtab[presidio]'"
LONGEST_CHARS = 100  # of what it recognises; longer ones, addresses, are recognised by their beginnings
COST = 100  # times what it costs to read a character elsewhere: always in a thread
Probability = Annotated[float, Field(gt=0, le=1)]
Entity = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,59}$")]


class PresidioConfig(Strict):
    """What is looked for, in which language, and what a find means."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "en"
    model: str | None = None  # a spaCy model by its name or path; without one, expressions alone
    entities: tuple[Entity, ...] = ()  # all that it recognises, where none is named
    least_score: Probability = 0.35  # of Presidio's own; what it is less sure of is no find, and is not cut
    hazard: Hazard = "G.pii"
    hazards: dict[Entity, Hazard] = Field(default_factory=dict)  # for entities that are something else
    probabilities: dict[Entity, Probability] = Field(default_factory=dict)  # in place of its own score

    @field_validator("model")
    @classmethod
    def confined(cls, model: str | None, info: ValidationInfo) -> str | None:
        """Refuses to load what a policy from outside names: a model is code."""
        if model is not None and (info.context or {}).get("confined"):
            raise ValueError("only the configured policy may name a spaCy model")
        return model

    @model_validator(mode="after")
    def possible(self) -> Self:
        """Refuses a guard that cannot be built here, so that it shows at load."""
        if find_spec("presidio_analyzer") is None:
            raise ValueError(INSTALL)
        try:
            known = set(analyzer(self.language, self.model).get_supported_entities(self.language))
        except GuardUnavailable as error:
            raise ValueError(str(error)) from error
        named = {*self.entities, *self.hazards, *self.probabilities}
        if unknown := sorted(named - known):
            raise ValueError(
                f"Presidio finds no {', '.join(unknown)} here; it finds {', '.join(sorted(known))}"
            )
        return self


class Presidio:
    """The kind `presidio`."""

    config = PresidioConfig

    def hazards(self, config: PresidioConfig, where: Where) -> frozenset[str]:
        """Those of its entities."""
        return frozenset({config.hazard, *config.hazards.values()})

    def located(self, config: PresidioConfig) -> frozenset[str]:
        """All: every find has its place."""
        return self.hazards(config, "prompt")

    def reach(self, config: PresidioConfig, hazards: frozenset[str]) -> Reach:
        """As much as the longest of what it recognises."""
        return Reach(LONGEST_CHARS, "what Presidio recognises")

    def revision(self, config: PresidioConfig) -> str:
        """The versions of what decides beside the document."""
        packages = ("presidio-analyzer", "spacy", *([config.model] if config.model else []))
        return hashlib.sha256(" ".join(map(version_of, packages)).encode()).hexdigest()

    def build(self, name: str, config: PresidioConfig) -> "PresidioGuard":
        """The guard, its analyzer loaded."""
        return PresidioGuard(name, config, analyzer(config.language, config.model))


class PresidioGuard:
    """Asks the analyzer, in a thread."""

    def __init__(self, name: str, config: PresidioConfig, engine: Any) -> None:
        self.name = name
        self.config = config
        self.engine = engine

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment; the conversation does not matter."""
        return self.check_now(segment, context)

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        """The segment's own."""
        return (segment.text,)

    def weighs(self, segment: Segment, context: Context) -> int:
        """So much that it is never asked while everybody waits."""
        return COST * len(segment.text) + COST * COST

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        """What the analyzer finds, computed here and now."""
        started = time.perf_counter()
        scores: dict[str, float] = {}
        spans = []
        entities = list(self.config.entities) or None
        for one in self.engine.analyze(
            segment.text,
            language=self.config.language,
            entities=entities,
            score_threshold=self.config.least_score,
        ):
            entity = one.entity_type
            hazard = self.config.hazards.get(entity, self.config.hazard)
            probability = self.config.probabilities.get(entity, float(one.score))
            scores[hazard] = max(scores.get(hazard, 0.0), probability)
            spans.append(Span(one.start, one.end, hazard, entity.lower().replace("_", " ")))
        return Verdict(self.name, scores, tuple(spans), time.perf_counter() - started)


def version_of(package: str) -> str:
    """What is installed of a package."""
    try:
        return f"{package}={version(package)}"
    except PackageNotFoundError:
        return f"{package}=?"


@lru_cache(maxsize=4)
def analyzer(language: str, model: str | None) -> Any:
    """The analyzer of a language, shared by all guards that use it; raises GuardUnavailable without its model."""
    import spacy  # noqa: PLC0415 - an extra, and slow to load
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # noqa: PLC0415
    from presidio_analyzer.nlp_engine import SpacyNlpEngine  # noqa: PLC0415

    try:
        pipeline = spacy.load(model) if model else spacy.blank(language)
    except (OSError, ImportError) as error:
        told = (
            f"spaCy has no model {model!r} here"
            if model
            else f"spaCy does not know the language {language!r}"
        )
        raise GuardUnavailable(f"{told}; install one first, for instance en_core_web_sm") from error
    engine = SpacyNlpEngine(models=[{"lang_code": language, "model_name": model or "blank"}])
    engine.nlp = {language: pipeline}
    registry = RecognizerRegistry(supported_languages=[language])
    registry.load_predefined_recognizers(languages=[language], nlp_engine=engine)
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[language])
