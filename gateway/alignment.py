"""The `alignment` request field: what a client may ask of the gateway beside OpenAI's own fields."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import BadRequest
from gateway.strategies import STRATEGIES
from guards.wording import worded


class Alignment(BaseModel):
    """The field as it travels; None means the gateway's own default."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    strategy: str | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    deadline_ms: Annotated[int, Field(ge=1)] | None = None
    dial: dict[str, float] | None = None
    explain: bool = False


NOTHING_ASKED = Alignment()


def read_alignment(field: Any) -> Alignment:
    """The field, checked for shape and for what can be honoured; raises BadRequest naming the part."""
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
    if asked.dial is not None:
        raise BadRequest(
            "alignment.dial: no version served here was trained to follow a dial; leave it out",
            param="alignment.dial",
        )
    return asked
