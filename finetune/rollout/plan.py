"""How a version comes into traffic: its steps, what each must show, and how sure one must be. Data alone."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from finetune.rollout.evidence import Bets, Weighed

Share = Annotated[float, Field(gt=0, lt=1)]
Probability = Annotated[float, Field(gt=0, le=0.5)]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Weights:
    """How the alpha of an alarm is divided among what may go wrong; together they need not be 1."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    flagged: Annotated[float, Field(ge=0)] = 0.8
    failed: Annotated[float, Field(ge=0)] = 0.06
    refused: Annotated[float, Field(ge=0)] = 0.04
    reward: Annotated[float, Field(ge=0)] = 0.06
    longer: Annotated[float, Field(ge=0)] = 0.02
    shorter: Annotated[float, Field(ge=0)] = 0.02

    @property
    def weighed(self) -> Weighed:
        """As the tests take them."""
        return Weighed({name: getattr(self, name) for name in HARM})


@dataclass(frozen=True, slots=True)
class RolloutRules:
    """`at_once` gives a version that has passed its gate all of the traffic; `steps` lets traffic decide."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    how: Literal["at_once", "steps"] = "steps"
    shadow_share: Annotated[float, Field(ge=0, le=1)] = (
        0.1  # of requests that are shown to it; 0 leaves it out
    )
    shadow_pairs: Count = 300
    shares: tuple[Share, ...] = (0.01, 0.05, 0.25)
    step_pairs: Count = 200  # in each step, before the next
    alpha: Probability = 0.05  # how often, at most, a version that is no worse is rolled back
    proof_alpha: Probability = 0.05  # how often, at most, one that is worse by the margin goes live
    # What must be proven before all of the traffic: that the new version is flagged no more than this often
    # beyond the old one. 0 asks for no proof: then the pairs of each step, and no alarm, are enough.
    flagged_margin: Annotated[float, Field(ge=0, lt=1)] = 0.01
    longest_hours: Annotated[float, Field(gt=0)] = (
        72.0  # after that it is rolled back: not proven is not live
    )
    settle_seconds: Annotated[float, Field(ge=0)] = (
        30.0  # how long a request may take before the next are paired
    )
    weights: Weights = field(default_factory=Weights)
    allow_gap: bool = (
        False  # whether nobody may answer while the only engine gets full weights (docs/hot-swap.md)
    )


# Against which each alarm bets: that the new version is no worse, or worse by no more than a margin.
HARM = {
    "flagged": Bets((0.2, 0.35, 0.5, 0.8)),
    "failed": Bets((0.2, 0.5, 0.8)),
    "refused": Bets((0.2, 0.5, 0.8), margin=0.02),
    "reward": Bets((0.05, 0.1, 0.2, 0.5), margin=0.0),
    "longer": Bets((0.2, 0.5, 0.8), margin=0.15),
    "shorter": Bets((0.2, 0.5, 0.8), margin=0.15),
}
PROOF = "flagged, proof"


def proof_bets(margin: float) -> Bets:
    """Against a version that is flagged more often by the margin; bet on the old one's flags less the new one's."""
    return Bets((0.05, 0.1, 0.2), margin=-margin)


RULES: TypeAdapter[RolloutRules] = TypeAdapter(RolloutRules)


def told_rules(rules: RolloutRules) -> dict[str, Any]:
    """The rules as JSON."""
    told: dict[str, Any] = RULES.dump_python(rules, mode="json")
    return told


def read_rules(told: Any) -> RolloutRules:
    """The rules that a rollout began with."""
    return RULES.validate_python(told)


# For the packaged model, which has no traffic to decide by: its gate's word is enough.
AT_ONCE = RolloutRules(how="at_once")
