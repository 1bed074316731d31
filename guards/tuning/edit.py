"""New thresholds in a policy's own text: nothing else of it changes, down to the last comment and space."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import yaml


class EditRefused(Exception):
    """A threshold that cannot be changed in this text; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One response to one hazard of one guard; its number among the responses, as they stand in the list."""

    guard: str
    hazard: str
    number: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters [start, end) of the text, and what is to stand there."""

    start: int
    end: int
    text: str


def edited(text: str, thresholds: Mapping[Spot, float]) -> str:
    """The text with these thresholds; raises EditRefused."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    edits = sorted(
        (edit_for(root, spot, value) for spot, value in thresholds.items()), key=lambda one: one.start
    )
    if any(after.start < before.end for before, after in pairwise(edits)):
        raise EditRefused("two thresholds stand in one place, behind an anchor; write them apart first")
    made = text
    for edit in reversed(edits):
        made = made[: edit.start] + edit.text + made[edit.end :]
    if yaml.safe_load(made) != meant(text, thresholds):
        raise EditRefused("a threshold stands behind an anchor that others share; write it apart first")
    return made


def meant(text: str, thresholds: Mapping[Spot, float]) -> Any:
    """The document's data as it should be afterwards."""
    data = json.loads(json.dumps(yaml.safe_load(text), default=str))  # apart, what anchors share
    for spot, value in thresholds.items():
        guard = next(each for each in data["guards"] if each["id"] == spot.guard)
        responses = guard["hazards"][spot.hazard]
        (responses if isinstance(responses, dict) else responses[spot.number])["threshold"] = value
    return data


def edit_for(root: yaml.Node | None, spot: Spot, value: float) -> Edit:
    """The change of one response."""
    response = response_at(root, spot)
    written = f"{value:g}"
    threshold = under(response, "threshold")
    if threshold is not None:
        return Edit(threshold.start_mark.index, threshold.end_mark.index, written)
    last = response.value[-1][1]
    if response.flow_style:
        return Edit(last.end_mark.index, last.end_mark.index, f", threshold: {written}")
    indent = " " * response.value[0][0].start_mark.column
    return Edit(last.end_mark.index, last.end_mark.index, f"\n{indent}threshold: {written}")


def response_at(root: yaml.Node | None, spot: Spot) -> yaml.MappingNode:
    """The mapping of one response; raises EditRefused where this text does not hold it."""
    guard = guard_called(spot.guard, under(root, "guards"))
    responses = under(under(guard, "hazards"), spot.hazard)
    if isinstance(responses, yaml.MappingNode) and spot.number == 0:
        return responses
    if isinstance(responses, yaml.SequenceNode) and spot.number < len(responses.value):
        response = responses.value[spot.number]
        if isinstance(response, yaml.MappingNode):
            return response
    raise EditRefused(
        f"guard {spot.guard!r} has its response to {spot.hazard} from another policy, which this one extends; "
        "write it into this policy, then tune again"
    )


def guard_called(name: str, guards: yaml.Node | None) -> yaml.Node | None:
    """The guard with this id, as the text has it."""
    if not isinstance(guards, yaml.SequenceNode):
        return None
    for guard in guards.value:
        called = under(guard, "id")
        if isinstance(called, yaml.ScalarNode) and called.value == name:
            found: yaml.Node = guard
            return found
    return None


def under(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """What stands under a key."""
    if not isinstance(node, yaml.MappingNode):
        return None
    found: yaml.Node | None = next((value for own, value in node.value if own.value == key), None)
    return found
