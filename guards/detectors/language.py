"""The kind `language`: in which languages a text may be."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from guards.detectors.measured import NOTHING, Measuring, MeasuringGuard
from guards.language import known_languages, likely_languages
from guards.policy.strict import Hazard, Strict
from guards.verdict import Where

Codes = tuple[Annotated[str, Field(pattern=r"^[a-z]{2}$")], ...]
CLEAREST = (
    0.4  # what the likeliest language must have, or the text is in none: two that are alike have half each
)
DOUBTFUL = 0.5


class LanguageConfig(Strict):
    """The languages that are allowed, all others being wrong; or those that are denied."""

    allowed: Codes = ()
    denied: Codes = ()
    hazard: Hazard = "X.language"

    @model_validator(mode="after")
    def decided(self) -> Self:
        """Refuses both at once or neither, and languages that cannot be told."""
        if bool(self.allowed) == bool(self.denied):
            raise ValueError("needs either `allowed` or `denied` languages, by their ISO 639-1 codes")
        known = known_languages()
        if unknown := [code for code in (*self.allowed, *self.denied) if code not in known]:
            raise ValueError(f"cannot tell {', '.join(unknown)}; it tells {', '.join(sorted(known))}")
        return self


class Language(Measuring):
    """The kind `language`."""

    config = LanguageConfig

    def hazards(self, config: LanguageConfig, where: Where) -> frozenset[str]:
        """What it calls a text in a wrong language."""
        return frozenset({config.hazard})

    def build(self, name: str, config: LanguageConfig) -> MeasuringGuard:
        """The guard with its languages."""
        return MeasuringGuard(name, Ear(config))


class Ear:
    """Tells in which language a text is, and whether it is a wrong one."""

    def __init__(self, config: LanguageConfig) -> None:
        self._config = config

    def whole(self, text: str) -> Mapping[str, float]:
        """The probability that the text is in a wrong language; nothing where it is short or in none."""
        found = likely_languages(text)
        if max(found.values(), default=0.0) < CLEAREST:
            return NOTHING
        total = sum(found.values())
        named = sum(found.get(code, 0.0) for code in self._config.allowed or self._config.denied) / total
        wrong = 1 - named if self._config.allowed else named
        return {self._config.hazard: min(1.0, max(0.0, wrong))}

    def so_far(self, text: str) -> Mapping[str, float] | None:
        """Nothing yet: a quotation may be in any language. What sounds wrong waits for what it belongs to."""
        return None if self.whole(text).get(self._config.hazard, 0.0) >= DOUBTFUL else NOTHING
