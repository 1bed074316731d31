"""The `alignment` request field: what a client may ask of the gateway beside OpenAI's own fields."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.alignment_settings import HIGHEST_MU, HIGHEST_TEMPERATURE
from gateway.errors import BadRequest
from gateway.strategies import STRATEGIES
from guards.wording import worded


class Alignment(BaseModel):
    """The field as it travels; None means the gateway's own default."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    strategy: str | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    deadline_ms: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=HIGHEST_TEMPERATURE)] | None = None
    mu: Annotated[float, Field(ge=0, le=HIGHEST_MU)] | None = None
    dial: Annotated[dict[str, float], Field(min_length=1, max_length=32)] | None = (
        None  # weights by reward head
    )
    explain: bool = False


NOTHING_ASKED = Alignment()


def read_alignment(field: Any) -> Alignment:
    """The field, checked for shape; raises BadRequest naming the part."""
    if field is None:
        return NOTHING_ASKED
    try:
        asked = Alignment.model_validate(field)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(("alignment", *map(str, first["loc"])))
        raise BadRequest(f"{param}: {worded(first, Alignment)}", param=param) from None
    if asked.strategy is not None and asked.strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise BadRequest(f"alignment.strategy must be one of {known}", param="alignment.strategy")
    return asked
