"""The tool call guard: which tools a model may call, and with which arguments.

A name is judged as soon as it is known. Arguments are judged when they are whole: half of some JSON says nothing,
so on a stream a call whose arguments matter waits for its end.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Annotated, Any, Self

import jsonschema_rs
from pydantic import Field, field_validator, model_validator

from guards.detectors.arguments import (
    CHECKS,
    LABEL_NO_JSON,
    place_of,
    read_arguments,
    strings_in,
    urls_in,
)
from guards.detectors.hosts import address_of, checked_hosts, named
from guards.kinds import Reach
from guards.policy.strict import Strict
from guards.verdict import Context, Segment, Span, Verdict, Where

HAZARD = "G.tool_misuse"
PARTS = frozenset({"tool_name", "tool_arguments"})
MOST_FAULTS = 16  # that are named: one is enough to refuse
Schema = dict[str, Any] | bool


class Bounds(Strict):
    """What arguments may hold, of one tool or of all."""

    checks: tuple[str, ...] = ()
    hosts: tuple[str, ...] | None = None  # addresses may lead to these alone; None for no such bound

    @field_validator("checks")
    @classmethod
    def known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Refuses a check that there is not."""
        if unknown := [name for name in names if name not in CHECKS]:
            raise ValueError(f"no check is called {', '.join(unknown)}; there are {', '.join(CHECKS)}")
        return names

    @field_validator("hosts")
    @classmethod
    def plain(cls, hosts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The hosts in the spelling in which they are compared."""
        return None if hosts is None else checked_hosts(hosts)


class Tool(Bounds):
    """What is known of a tool, or of all whose names match."""

    arguments: Schema | None = None  # a JSON Schema
    text: bool = False  # its input is no JSON, as that of OpenAI's custom tools
    most_chars: Annotated[int, Field(ge=1)] | None = None

    @field_validator("arguments")
    @classmethod
    def is_schema(cls, schema: Schema | None) -> Schema | None:
        """Refuses what is no JSON Schema, or refers to another document."""
        if schema is not None:
            compiled(schema)
        return schema

    @model_validator(mode="after")
    def one_or_the_other(self) -> Self:
        """Refuses a schema for what is no JSON."""
        if self.text and self.arguments is not None:
            raise ValueError("a tool with `text: true` takes no JSON, so it has no `arguments`")
        return self


class ToolCallsConfig(Bounds):
    """Which tools may be called; without `allow` all may that are not denied."""

    allow: dict[str, Tool] | None = None
    deny: tuple[str, ...] = ()
    only_declared: bool = False  # only those that the request itself offers to the model

    @field_validator("allow", mode="before")
    @classmethod
    def written_short(cls, told: Any) -> Any:
        """Takes a list of names, and names with nothing said of them."""
        if isinstance(told, list):
            return {name: {} for name in told}
        if isinstance(told, dict):
            return {name: {} if tool is None else tool for name, tool in told.items()}
        return told

    @model_validator(mode="after")
    def says_something(self) -> Self:
        """Refuses a guard that would let everything pass."""
        if self.allow is None and not (
            self.deny or self.only_declared or self.checks or self.hosts is not None
        ):
            raise ValueError("lets every call pass: give it allow, deny, only_declared, checks or hosts")
        return self


class ToolCalls:
    """The kind `tool_calls`."""

    config = ToolCallsConfig

    def hazards(self, config: ToolCallsConfig, where: Where) -> frozenset[str]:
        """Misuse of tools."""
        return frozenset({HAZARD})

    def located(self, config: ToolCallsConfig) -> frozenset[str]:
        """None: a call is made or not; its spans are for whoever looks at the exchange."""
        return frozenset()

    def reach(self, config: ToolCallsConfig, hazards: frozenset[str]) -> Reach:
        """It waits for as much as it needs."""
        return Reach()

    def revision(self, config: ToolCallsConfig) -> str:
        """Nothing beside the document decides."""
        return "1"

    def build(self, name: str, config: ToolCallsConfig) -> "ToolCallsGuard":
        """The guard, its schemas compiled."""
        return ToolCallsGuard(name, config)


@dataclass(frozen=True, slots=True)
class Known:
    """What is asked of the arguments of one tool."""

    schema: Any  # compiled, or None
    text: bool
    checks: tuple[str, ...]
    hosts: tuple[tuple[str, ...], ...]  # an address must be in each of these lists
    most_chars: int | None


class ToolCallsGuard:
    """Says of a call's name whether it may be called, and of its arguments whether they are in bounds."""

    def __init__(self, name: str, config: ToolCallsConfig) -> None:
        self.name = name
        self.config = config
        self.rest = known_of(Tool(), config)  # of tools that no entry names, where all may be called
        self.tools = {pattern: known_of(tool, config) for pattern, tool in (config.allow or {}).items()}
        # The entry that says most about a name comes first.
        self.order = sorted(self.tools, key=lambda one: (is_glob(one), -len(one)))

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a call's name or arguments; on any other text it has none."""
        return self.check_now(segment, context)

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        """The segment's own, the tool's name, and the names of the tools that the request offers."""
        if segment.part not in PARTS:
            return (segment.text,)
        offered = sorted(context.tools) if self.config.only_declared else ()
        return (segment.text, segment.call, "whole" if segment.whole else "piece", *offered)

    def weighs(self, segment: Segment, context: Context) -> int:
        """The segment's length."""
        return len(segment.text) if segment.part in PARTS else 0

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        """The verdict, computed here and now."""
        started = time.perf_counter()
        found, waits = self.judge(segment, context)
        scores = {HAZARD: 1.0} if found else {}
        return Verdict(self.name, scores, tuple(found), time.perf_counter() - started, waits)

    def judge(self, segment: Segment, context: Context) -> tuple[list[Span], bool]:
        """What is wrong with a call, and where; and whether that cannot be said before it is whole."""
        is_name = segment.part == "tool_name" and segment.text == segment.call
        if not is_name and segment.part != "tool_arguments":
            return [], False
        known, refusal = self.known(segment.call, context)
        if known is None:
            return [Span(0, len(segment.text), HAZARD, refusal)], False
        if is_name:
            return [], False
        if known.most_chars is not None and len(segment.text) > known.most_chars:
            return [Span(0, len(segment.text), HAZARD, "too many arguments")], False
        if not segment.whole:
            return [], True
        wrong = islice(faults(segment.text, known), MOST_FAULTS)
        return [Span(*place, HAZARD, label) for place, label in wrong], False

    def known(self, name: str, context: Context) -> tuple[Known | None, str]:
        """What is known of a tool; None and why where it may not be called."""
        if any(fnmatchcase(name, pattern) for pattern in self.config.deny):
            return None, "denied tool"
        if self.config.only_declared and name not in context.tools:
            return None, "tool that was not offered"
        pattern = next((one for one in self.order if fnmatchcase(name, one)), None)
        if pattern is not None:
            return self.tools[pattern], ""
        return (self.rest, "") if self.config.allow is None and name else (None, "unknown tool")


def is_glob(pattern: str) -> bool:
    """Whether it stands for more than one name."""
    return any(mark in pattern for mark in "*?[")


def known_of(tool: Tool, config: ToolCallsConfig) -> Known:
    """What is asked of a tool by its own entry and by the rule as a whole."""
    return Known(
        schema=None if tool.arguments is None else compiled(tool.arguments),
        text=tool.text,
        checks=tuple(dict.fromkeys((*config.checks, *tool.checks))),
        hosts=tuple(hosts for hosts in (config.hosts, tool.hosts) if hosts is not None),
        most_chars=tool.most_chars,
    )


def compiled(schema: Schema) -> Any:
    """The schema as it is run: patterns in linear time, nothing fetched; ValueError says why it cannot be."""
    try:
        return jsonschema_rs.validator_for(
            schema, offline=True, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
        )
    except ValueError as error:
        first = str(error).partition("\n")[0]
        raise ValueError(f"is no JSON Schema that can be used here: {first}") from error


def faults(text: str, known: Known) -> Iterator[tuple[tuple[int, int], str]]:
    """Everything that is wrong with whole arguments: where, and in what way."""
    everything = (0, len(text))
    try:
        value: Any = text if known.text else read_arguments(text)
        # A lone surrogate is no text, and 1e999 no number.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        yield everything, LABEL_NO_JSON
        return
    if known.schema is not None and (rule := broken_rule(known.schema, value)):
        yield everything, f"arguments against the schema: {rule}"
    for string in strings_in(value):
        for label in labels_of(string, known):
            yield (everything if known.text else place_of(string, text)), label


def broken_rule(schema: Any, value: Any) -> str:
    """The schema's own rule that the value breaks first; empty where it keeps to all."""
    first = next(iter(schema.iter_errors(value)), None)
    return "" if first is None else "/".join(map(str, first.schema_path)) or "false"


def labels_of(string: str, known: Known) -> Iterator[str]:
    """What is wrong with one text among the arguments."""
    for check in known.checks:
        label, fails = CHECKS[check]
        if fails(string):
            yield label
    if known.hosts:
        hosts = [address_of(url).host for url in urls_in(string)]
        if not all(named(host, patterns) for host in hosts for patterns in known.hosts):
            yield "address of another host"
