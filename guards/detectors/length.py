"""The kind `length`: how long a text may be, and how long it must be at least."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from guards.detectors.measured import Measuring, MeasuringGuard
from guards.policy.strict import Hazard, Strict
from guards.verdict import Where

Most = Annotated[int, Field(ge=1)]
UNITS = ("chars", "words", "lines")


class LengthConfig(Strict):
    """Bounds in characters, words or lines; each that is given counts."""

    max_chars: Most | None = None
    min_chars: Most | None = None
    max_words: Most | None = None
    min_words: Most | None = None
    max_lines: Most | None = None
    min_lines: Most | None = None
    too_long: Hazard = "X.too_long"
    too_short: Hazard = "X.too_short"

    @model_validator(mode="after")
    def bounded(self) -> Self:
        """Refuses no bound at all, and bounds that no text keeps."""
        if not self.most and not self.least:
            raise ValueError("needs at least one bound, for instance max_chars")
        if crossed := [unit for unit, least in self.least.items() if least > self.most.get(unit, least)]:
            raise ValueError(f"min_{crossed[0]} is more than max_{crossed[0]}")
        return self

    @property
    def most(self) -> dict[str, int]:
        """The upper bounds by unit."""
        return {unit: bound for unit in UNITS if (bound := getattr(self, f"max_{unit}")) is not None}

    @property
    def least(self) -> dict[str, int]:
        """The lower bounds by unit."""
        return {unit: bound for unit in UNITS if (bound := getattr(self, f"min_{unit}")) is not None}


class Length(Measuring):
    """The kind `length`."""

    config = LengthConfig

    def hazards(self, config: LengthConfig, where: Where) -> frozenset[str]:
        """What it calls a text that breaks one of its bounds."""
        sides = ((config.most, config.too_long), (config.least, config.too_short))
        return frozenset(hazard for bounds, hazard in sides if bounds)

    def build(self, name: str, config: LengthConfig) -> MeasuringGuard:
        """The guard with its bounds."""
        return MeasuringGuard(name, Ruler(config))


class Ruler:
    """Measures a text against bounds."""

    def __init__(self, config: LengthConfig) -> None:
        self._config = config
        self._most, self._least = config.most, config.least

    def whole(self, text: str) -> Mapping[str, float]:
        """Certainly too long, certainly too short, or neither."""
        found = {}
        if any(amount(text, unit) > bound for unit, bound in self._most.items()):
            found[self._config.too_long] = 1.0
        if any(amount(text, unit) < bound for unit, bound in self._least.items()):
            found[self._config.too_short] = 1.0
        return found

    def so_far(self, text: str) -> Mapping[str, float] | None:
        """A piece that is too long already; one that is too short waits for more."""
        found = self.whole(text)
        return None if self._config.too_short in found else found


def amount(text: str, unit: str) -> int:
    """How many of a unit a text has."""
    if unit == "chars":
        return len(text)
    return len(text.split() if unit == "words" else text.splitlines())
