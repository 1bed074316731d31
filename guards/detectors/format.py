"""The kind `format`: what form a text must have, or must not: JSON, JSON of a schema, an expression, no Markdown.

Whether a text is JSON is known at its end. A stream of one is therefore held until then, and leaves whole or not at
all; with `hold: false` it leaves as it comes, and only what follows its end, the finish, can still say no.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import jsonschema_rs
import orjson
from pydantic import Field, field_validator, model_validator

from guards.detectors.measured import NOTHING, Measuring, MeasuringGuard
from guards.expression import compiled
from guards.policy.strict import Hazard, Strict
from guards.text.visible import encodable
from guards.verdict import Where

FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL)
# What a text may have to be without, and what shows it.
MARKS = {
    "code": r"```|~~~|`[^`\n]+`",
    "headings": r"(?m)^ {0,3}#{1,6} \S",
    "lists": r"(?m)^ {0,6}(?:[-*+]|\d{1,3}[.)]) +\S",
    "emphasis": r"\*\*[^*\s][^*\n]*\*\*|__[^_\s][^_\n]*__|(?:^|\s)\*[^*\s][^*\n]*\*(?:\s|[.,;:!?]|$)",
    "tables": r"(?m)^ *\|.*\| *$",
    "links": r"\]\([^)\s]+\)|(?i:\bhttps?://\S)",
    "images": r"!\[[^\]\n]*\]\([^)\n]*\)",
    "html": r"(?i)</?[a-z][a-z0-9]{0,9}(?:\s[^<>\n]{0,200})?/?>",
    "emoji": r"[\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}\x{1F1E6}-\x{1F1FF}]",
}
MARKDOWN = ("code", "headings", "lists", "emphasis", "tables", "links", "images")
Mark = Literal[
    "code", "headings", "lists", "emphasis", "tables", "links", "images", "html", "emoji", "markdown"
]


class FormatConfig(Strict):
    """Forms that a text must have; each that is given counts."""

    is_json: Annotated[bool, Field(alias="json")] = False
    fenced: bool = False  # whether JSON may stand in a ```json fence
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    regex: str = ""  # must match the whole text
    without: tuple[Mark, ...] = ()
    hold: bool = True
    hazard: Hazard = "X.format"

    @field_validator("regex")
    @classmethod
    def compiles(cls, regex: str) -> str:
        """Refuses what RE2 does not understand."""
        compiled(regex)
        return regex

    @field_validator("json_schema")
    @classmethod
    def a_schema(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        """Refuses what is no JSON Schema."""
        if schema is not None:
            validator_of(schema)
        return schema

    @model_validator(mode="after")
    def something(self) -> Self:
        """Refuses no form at all."""
        if not (self.wants_json or self.regex or self.without):
            raise ValueError("needs a form: json, schema, regex or without")
        if self.fenced and not self.wants_json:
            raise ValueError("fenced belongs to json or schema")
        return self

    @property
    def wants_json(self) -> bool:
        """Whether the text must be JSON."""
        return self.is_json or self.json_schema is not None

    @property
    def unwanted(self) -> tuple[str, ...]:
        """The marks that it must be without, Markdown's spelled out."""
        return tuple(one for mark in self.without for one in (MARKDOWN if mark == "markdown" else (mark,)))


class Format(Measuring):
    """The kind `format`."""

    config = FormatConfig

    def hazards(self, config: FormatConfig, where: Where) -> frozenset[str]:
        """What it calls a text of another form."""
        return frozenset({config.hazard})

    def build(self, name: str, config: FormatConfig) -> MeasuringGuard:
        """The guard with its forms."""
        return MeasuringGuard(name, Mould(config))


class Mould:
    """Tells whether a text has the form that it must have."""

    def __init__(self, config: FormatConfig) -> None:
        self._config = config
        self._regex = compiled(config.regex) if config.regex else None
        self._marks = [compiled(MARKS[mark]) for mark in config.unwanted]

    @cached_property
    def _schema(self) -> Any:
        return None if self._config.json_schema is None else validator_of(self._config.json_schema)

    def whole(self, text: str) -> Mapping[str, float]:
        """Certainly of another form, or nothing."""
        told = encodable(text)
        fits = not self.marked(told) and (self._regex is None or self._regex.fullmatch(told) is not None)
        return NOTHING if fits and self.is_json(text) else {self._config.hazard: 1.0}

    def so_far(self, text: str) -> Mapping[str, float] | None:
        """What shows in a piece already shows in the whole; all else waits for the end, unless it need not."""
        if self.marked(encodable(text)):
            return {self._config.hazard: 1.0}
        return None if self._config.hold and (self._regex or self._config.wants_json) else NOTHING

    def marked(self, text: str) -> bool:
        """Whether any mark shows that the text must be without."""
        return any(mark.search(text) for mark in self._marks)

    def is_json(self, text: str) -> bool:
        """Whether the text is the JSON that it must be, if it must."""
        if not self._config.wants_json:
            return True
        fence = FENCED.fullmatch(text) if self._config.fenced else None
        try:
            said = orjson.loads(fence[1] if fence else text)
        except orjson.JSONDecodeError:
            return False
        return self._schema is None or bool(self._schema.is_valid(said))


def validator_of(schema: dict[str, Any]) -> Any:
    """The schema, compiled; ValueError says why it is none."""
    try:
        # Offline: a schema names no address that a gateway fetches. Its patterns take linear time.
        options = jsonschema_rs.RegexOptions()
        return jsonschema_rs.validator_for(
            schema, offline=True, validate_formats=True, pattern_options=options
        )
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise ValueError(f"is no JSON Schema: {str(error).splitlines()[0]}") from error
