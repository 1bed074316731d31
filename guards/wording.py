"""What pydantic finds wrong with a document, in plain words: what may stand there, and never what stood there. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

Place = Sequence[int | str]
WHOLE, NUMBER, MAPPING, LIST = (
    "must be a whole number",
    "must be a number",
    "must be a mapping of names to values",
    "must be a list",
)
TIME = "must be a time in ISO 8601 with its offset, such as 2030-01-31T12:00:00Z"
# By pydantic's name for the fault; what stands in braces is the fault's own bound.
WORDS = {
    "missing": "is required",
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_parsing_size": WHOLE,
    "int_from_float": WHOLE,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "list_type": LIST,
    "tuple_type": LIST,
    "dict_type": MAPPING,
    "mapping_type": MAPPING,
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "dataclass_type": MAPPING,
    "path_type": "must be a path",
    "timezone_aware": TIME,
    "datetime_type": TIME,
    "datetime_parsing": TIME,
    "datetime_from_date_parsing": TIME,
}
# Faults whose author wrote a sentence.
OWN_WORDS = frozenset({"value_error", "assertion_error"})


def worded(fault: Mapping[str, Any], model: Any = None) -> str:
    """What is wrong with a field, to be said after its name; `model` is what the whole document was read as."""
    kind, told = fault["type"], str(fault["msg"])
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        known = names_at(model, fault["loc"][:-1])
        return "is no field here" + (f"; the fields here are {', '.join(known)}" if known else "")
    if kind in OWN_WORDS:
        return told.partition(", ")[2] or told
    if kind in WORDS:
        return WORDS[kind].format_map(fault.get("ctx", {}))
    return told.replace("Input should", "should")


def names_at(model: Any, place: Place) -> tuple[str, ...]:
    """The fields that there are at a place of a document; none where that cannot be told."""
    kinds = list(_opened(model))
    for step in place:
        kinds = [one for kind in kinds for inner in _within(kind, step) for one in _opened(inner)]
    return tuple(dict.fromkeys(name for kind in kinds for name in _fields(kind)))


def _opened(kind: Any) -> Iterator[Any]:
    """The types that a union, or an annotated type, stands for."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _opened(get_args(kind)[0])
    elif origin in {Union, UnionType}:
        for each in get_args(kind):
            yield from _opened(each)
    else:
        yield kind


def _within(kind: Any, step: int | str) -> Sequence[Any]:
    """What one step into a type may find: a field's type, or that of a container's values."""
    fields = _fields(kind)
    if fields:
        return [fields[str(step)]] if step in fields else []
    return [each for each in get_args(kind)[-2:] if each is not Ellipsis][-1:]


def _fields(kind: Any) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return {field.name: hints[field.name] for field in fields(kind)}
    return {}
