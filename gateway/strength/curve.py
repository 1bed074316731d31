"""How strong selection may be on an alias: one JSON document, fitted by `trimtab strength fit`, read at start.

A cap that is null was looked for and not needed: what the trusted reward has to say is still rising there.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from guards.wording import worded

LARGEST_BYTES = 1_000_000
Finite = Annotated[float, Field(allow_inf_nan=False)]


class CurveInvalid(ValueError):
    """A document that is no strength curve; names the file and the field."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cap(_Part):
    """Where more strength stops helping, with the interval of that place."""

    value: Annotated[Finite, Field(ge=0)]
    low: Annotated[Finite, Field(ge=0)]
    high: Annotated[Finite, Field(ge=0)]

    @model_validator(mode="after")
    def _ordered(self) -> "Cap":
        if not self.low <= self.high:
            raise ValueError("low must not be above high")
        return self


class Law(_Part):
    """Gao's law, gold reward = d·(alpha − beta·d) with d = √KL: its fit, with a 95 % interval of beta."""

    alpha: Finite
    beta: Finite
    beta_low: Finite
    beta_high: Finite

    @property
    def peaks(self) -> bool:
        """Whether there is evidence of a peak: the interval of β lies above 0."""
        return self.beta_low > 0


class Source(_Part):
    """What a curve was fitted from."""

    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    prompts: Annotated[int, Field(ge=1)]
    samples: Annotated[int, Field(ge=1)]  # answers, of all prompts


class Point(_Part):
    """The trusted and the proxy reward to be expected at a strength, with a 95 % interval of the trusted one."""

    n: Annotated[int, Field(ge=1)]
    kl: Finite
    proxy: Finite
    gold: Finite
    low: Finite
    high: Finite


class Curve(_Part):
    """The caps of one alias, how they were found, and from what."""

    alias: str
    made_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    method: Annotated[str, Field(min_length=1)]
    source: Source
    largest_n: Annotated[int, Field(ge=2)]  # up to which peaks were looked for; λ was fitted at this n
    n: Cap | None = None  # best_of_n, and whatever else takes the best of n
    mu: Cap | None = None  # best_of_poisson
    temperature: Cap | None = None  # soft_best_of_n: not colder than this
    law: Law | None = None
    points: tuple[Point, ...] = ()

    @model_validator(mode="after")
    def _usable(self) -> "Curve":
        if self.n is not None and self.n.value < 1:
            raise ValueError("n may not be capped below 1")
        return self


def load_curve(path: Path) -> Curve:
    """The curve in a file; raises CurveInvalid, naming the file and the field."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise CurveInvalid(f"{path} is larger than {LARGEST_BYTES} bytes: not a strength curve")
        return Curve.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CurveInvalid(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise CurveInvalid(f"{path} is no strength curve: {place}: {worded(first, Curve)}") from None
