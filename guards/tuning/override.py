"""What a policy takes over from others, written into its own text where it is to be changed; all else stays."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from guards.policy.rule import Response, Rule
from guards.tuning.edit import EditRefused, guard_called, under

PLAIN = re.compile(
    r"[A-Za-z]+[._-]\w+|[a-z]{3}(_[a-z]{3})?"
)  # of keys: what YAML reads as the word that it is


@dataclass(frozen=True, slots=True)
class Answer:
    """What a policy does about one hazard of one guard."""

    guard: str
    hazard: str
    responses: Sequence[Response]

    def data(self) -> Any:
        """As it is in the document."""
        several = [response_data(each) for each in self.responses]
        return several[0] if len(several) == 1 else several


def overridden(text: str, rules: Iterable[Rule], wanted: Iterable[tuple[str, str]]) -> str:
    """The text with those of the wanted answers (guard, hazard) that it takes over as its own; raises EditRefused."""
    by_id = {rule.id: rule for rule in rules}
    for guard, hazard in sorted(set(wanted)):
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        own = guard_called(guard, under(root, "guards"))
        if under(under(own, "hazards"), hazard) is None:
            text = with_answer(text, root, Answer(guard, hazard, by_id[guard].hazards[hazard]))
    return text


def with_answer(text: str, root: yaml.Node | None, answer: Answer) -> str:
    """The text with one answer more, where the least must be added for it."""
    guards = under(root, "guards")
    guard = guard_called(answer.guard, guards)
    hazards = under(guard, "hazards")
    said = f"{key_of(answer.hazard)}: {flow(answer.data())}"
    of_guard = f"id: {answer.guard}, hazards: {{{said}}}"
    if isinstance(hazards, yaml.MappingNode):
        made = with_entry(text, hazards, said)
    elif isinstance(guard, yaml.MappingNode):
        made = with_entry(text, guard, f"hazards: {{{said}}}")
    elif isinstance(guards, yaml.SequenceNode):
        made = with_entry(text, guards, f"{{{of_guard}}}")
    elif isinstance(root, yaml.MappingNode):
        made = with_entry(text, root, f"guards: [{{{of_guard}}}]")
    else:
        raise EditRefused("the policy is no mapping")
    if loaded(made) != meant(text, answer):
        raise EditRefused(
            f"guard {answer.guard!r} has its answer to {answer.hazard} from another policy, and this one's text is "
            "such that it cannot be added; write it into this policy, then tune again"
        )
    return made


def loaded(text: str) -> Any:
    """The document's data; None where it is none any more."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def meant(text: str, answer: Answer) -> Any:
    """The document's data as it should be afterwards."""
    data = json.loads(json.dumps(yaml.safe_load(text), default=str))  # apart, what anchors share
    guards = data.setdefault("guards", [])
    guard = next((each for each in guards if each.get("id") == answer.guard), None)
    if guard is None:
        guards.append(guard := {"id": answer.guard})
    guard.setdefault("hazards", {})[answer.hazard] = answer.data()
    return data


def with_entry(text: str, node: yaml.CollectionNode, entry: str) -> str:
    """The text with one more entry of a mapping, or item of a list, as its last."""
    if node.flow_style:
        end = node.end_mark.index - 1
        before = text[:end].rstrip(" ")
        comma = ", " if node.value and not before.endswith(",") else ""
        return before + comma + entry + text[end:]
    newline = "\r\n" if "\r\n" in text else "\n"
    dash = "- " if isinstance(node, yaml.SequenceNode) else ""
    end = end_of_line(text, last_of(node).end_mark.index)
    before = "" if text[:end].endswith("\n") else newline
    return f"{text[:end]}{before}{' ' * column_of(node)}{dash}{entry}{newline}{text[end:]}"


def column_of(node: yaml.CollectionNode) -> int:
    """Where its entries begin."""
    first = node.value[0][0] if isinstance(node, yaml.MappingNode) else node
    column: int = first.start_mark.column
    return column


def last_of(node: yaml.Node) -> yaml.Node:
    """The node with which it ends; of one in brackets, itself."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node


def end_of_line(text: str, index: int) -> int:
    """Where the line ends in which this is, its comment with it; here, where a line has just ended."""
    if text[:index].endswith("\n"):
        return index
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def response_data(response: Response) -> dict[str, Any]:
    """A response with all that is not left to its default, and its threshold."""
    return {"action": response.action, "threshold": response.threshold} | (
        {"reversible": True} if response.reversible else {}
    )


def flow(data: Any) -> str:
    """The data on one line."""
    return str(yaml.safe_dump(data, default_flow_style=True, sort_keys=False, width=10_000)).strip()


def key_of(hazard: str) -> str:
    """A hazard as a key."""
    return hazard if PLAIN.fullmatch(hazard) and yaml.safe_load(hazard) == hazard else json.dumps(hazard)
