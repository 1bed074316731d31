"""What is wrong with a document, in plain words."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from guards.wording import names_at, worded


@dataclass
class Inner:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    small: Annotated[int, Field(ge=1, le=9)] = 1
    word: Literal["a", "b"] = "a"


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    named: dict[str, Inner] = {}
    renamed: Annotated[float, Field(alias="as", gt=0, allow_inf_nan=False)] = 1.0
    on: bool = True
    text: Annotated[str, Field(min_length=1, max_length=3)] = "x"
    when: AwareDatetime | None = None
    own: int = 0

    @field_validator("own")
    @classmethod
    def _never(cls, value: int) -> int:
        if value:
            raise ValueError("must be nothing, and is something")
        return value


def told(document: Any, model: Any = Outer) -> str:
    with pytest.raises(ValidationError) as error:
        TypeAdapter(model).validate_python(document)
    return worded(error.value.errors()[0], model)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"inner": {"small": 0}}, "must be at least 1"),
        ({"inner": {"small": 10}}, "must be at most 9"),
        ({"inner": {"small": "many"}}, "must be a whole number"),
        ({"inner": {"small": 1.5}}, "must be a whole number"),
        ({"inner": {"word": "c"}}, "must be 'a' or 'b'"),
        ({"as": 0}, "must be more than 0"),
        ({"as": float("nan")}, "must be a finite number"),
        ({"as": "x"}, "must be a number"),
        ({"on": 5}, "must be true or false"),
        ({"text": 5}, "must be a text"),
        ({"text": ""}, "must have at least 1 characters"),
        ({"text": "four"}, "must have at most 3 characters"),
        ({"when": "2030-01-01T00:00:00"}, "with its offset"),
        ({"many": 5}, "must be a list"),
        ({"named": 5}, "must be a mapping of names to values"),
        ({"own": 1}, "must be nothing, and is something"),
        (5, "must be a mapping of names to values"),
    ],
)
def test_a_fault_says_what_may_stand_there(document: Any, words: str) -> None:
    assert words in told(document)


@pytest.mark.parametrize(
    "document", [{"inner": {"bogus": 1}}, {"many": [{"bogus": 1}]}, {"named": {"it": {"bogus": 1}}}]
)
def test_an_unknown_field_is_told_with_those_that_are_known_there(document: Any) -> None:
    assert told(document) == "is no field here; the fields here are small, word"


def test_a_renamed_field_is_told_as_documents_write_it() -> None:
    assert "named, as, on" in told({"bogus": 1})


def test_what_is_known_nowhere_lists_nothing() -> None:
    assert names_at(None, ("a", 0)) == ()
