"""What a request gets of selection that asks for nothing, and how strong selection may be."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.amounts import Count, Positive
from gateway.strategies import STRATEGIES
from gateway.strategies.size import Sizing
from gateway.strength.curve import Curve, load_curve

HIGHEST_TEMPERATURE, HIGHEST_MU = 1000.0, 255.0


def _known(strategy: str) -> str:
    if strategy not in STRATEGIES:
        raise ValueError(f"must be one of {', '.join(STRATEGIES)}")
    return strategy


def _read(told: Any) -> Curve:
    return told if isinstance(told, Curve) else load_curve(Path(str(told)))


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HeadReference(_Section):
    """How a reward head's rewards are spread on an alias, frozen: what a dial's z-scores are taken against."""

    mean: Annotated[float, Field(allow_inf_nan=False)]
    sd: Positive


class RejectionSettings(_Section):
    """When speculative rejection weighs beginnings, how many go on, and how often nothing is cut to measure it."""

    # Of an answer's usual length, or of the most that it may be.
    checkpoints: Annotated[
        tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1, max_length=8)
    ] = (0.2, 0.4)
    keep: Annotated[float, Field(gt=0, lt=1)] = 0.5
    # Streams go on while beginnings are scored; stages wait, for models that are quick beside their reward model.
    by: Literal["streams", "stages"] = "streams"
    measured: Annotated[float, Field(gt=0, le=0.5)] = 0.05


class AlignmentSettings(_Section):
    """What a request gets that does not ask, and what holds for all of them."""

    strategy: Annotated[str, AfterValidator(_known)] = "single"
    n: Count = 4  # candidates of a strategy that ranks
    temperature: Annotated[float, Field(ge=0, le=HIGHEST_TEMPERATURE)] = 1.0  # in units of the reward
    mu: Annotated[float, Field(ge=0, le=HIGHEST_MU)] = (
        3.0  # of best_of_poisson: as many samples as 4, in the mean
    )
    wave: Count = 2  # candidates that `adaptive` samples at a time, after twice as many at first
    block_tokens: Annotated[int, Field(ge=4)] = 48  # of a block of `blockwise`
    rejection: RejectionSettings = RejectionSettings()
    # Candidates of a prompt of which guards are certain that it is harmful and that may be answered; None: n.
    n_at_risk: Count | None = None
    risk_above: Annotated[float, Field(ge=0, lt=1)] = (
        0.5  # the probability from which on there are more than n
    )
    # By alias: how strong selection may be, as `trimtab strength fit` wrote it.
    strength: dict[str, Annotated[Curve, BeforeValidator(_read)]] = {}
    references: dict[str, dict[str, HeadReference]] = {}  # by alias and reward head

    @property
    def sizing(self) -> Sizing:
        """How n follows a prompt's risk."""
        return Sizing(self.n_at_risk or 1, self.risk_above)
