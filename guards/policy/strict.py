"""What every part of a policy document is made of: strictness, hazards, sentences."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from guards.hazards import HAZARDS

OWN_HAZARD = re.compile(r"X\.[a-z][a-z0-9_]{0,39}")


def known_hazard(hazard: str) -> str:
    """The id itself when it is one of ours, an operator's own `X.…`, or `*` for all that a guard reports."""
    if hazard == "*" or hazard in HAZARDS or OWN_HAZARD.fullmatch(hazard):
        return hazard
    raise ValueError(f"unknown hazard; known are {', '.join(HAZARDS)}, and X.your_own_name")


Hazard = Annotated[str, AfterValidator(known_hazard)]


class Strict(BaseModel):
    """A part of the document: unknown keys are refused, and nothing changes after it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


Sentence = Annotated[str, Field(min_length=1, max_length=2000)]
