"""JSON for what people and models may say: any string, and any number, can be written and read back."""

import dataclasses
import json
from typing import Any

import orjson


def dumps(value: Any) -> bytes:
    """One line of JSON; what orjson refuses (lone surrogates, huge integers) is written as escaped ASCII."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":"), default=_plain).encode("ascii")


def loads(text: str | bytes) -> Any:
    """What `dumps` wrote."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)


def dumps_text(value: Any) -> str:
    """`dumps` as a string, for a database's JSON columns."""
    return dumps(value).decode()


def _plain(value: Any) -> Any:
    """As orjson would have it: a dataclass by its fields, a date by its ISO form, the unknown by its name."""
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)
