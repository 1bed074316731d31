"""A backend's own options, read into its own shape; an unknown or malformed one is refused by its name."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from rewardserve.errors import ModelUnusable


class Options(BaseModel):
    """What a backend lets an operator choose, beside what every backend knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


OptionsT = TypeVar("OptionsT", bound=Options)


def options_of(kind: type[OptionsT], given: Mapping[str, Any]) -> OptionsT:
    """The options; raises ModelUnusable naming each that is wrong."""
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        told = [f"options.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ModelUnusable("; ".join(told)) from error
