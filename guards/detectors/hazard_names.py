"""A single hazard, as a guard's configuration names the one that it reports."""

from typing import Annotated

from pydantic import AfterValidator

from guards.policy.strict import Hazard


def one(hazard: str) -> str:
    """The hazard, unless it stands for all."""
    if hazard == "*":
        raise ValueError("must be one hazard, not *")
    return hazard


NamedHazard = Annotated[Hazard, AfterValidator(one)]
