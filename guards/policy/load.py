"""From a file to a policy that can be enforced: read, checked against the kinds of guard, hashed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from guards.kinds import Kind, KindUnavailable, installed_kinds
from guards.policy.document import Bounds, Document, Refusal, Rule, Stream
from guards.policy.feasible import Plan, impossibilities
from guards.policy.source import Lines, Place, line_of, parse
from guards.verdict import PolicyRefused
from guards.wording import worded

LARGEST_BYTES = 1_000_000
BUNDLED = Path(str(files("guards.policy"))) / "default.yaml"


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """A policy that passed every check; what it enforces is named by its hash."""

    document: Document
    plans: tuple[Plan, ...]
    source: str  # the file it was read from, for messages
    hash: str  # SHA-256 of the canonical document and of the lists and weights that its guards use

    @property
    def name(self) -> str:
        """The document's name."""
        return self.document.name

    @property
    def version(self) -> int:
        """The number its author gave it; two contents may share one, their hashes differ."""
        return self.document.version

    @property
    def refusal(self) -> Refusal:
        """What a client sees in place of what was refused."""
        return self.document.refusal

    @property
    def stream(self) -> Stream:
        """How much of a stream is held back, and how much is screened again as context."""
        return self.document.stream

    @property
    def bounds(self) -> Bounds:
        """What the `alignment` request field may ask for."""
        return self.document.bounds

    @property
    def deadline_seconds(self) -> float:
        """How long one screening may take before its unfinished guards count as failed."""
        return self.document.deadline_ms / 1000


def load_policy(path: Path | str | None = None, kinds: Mapping[str, Kind] | None = None) -> GuardPolicy:
    """The policy in a file, or the bundled default; raises PolicyRefused with every fault it has."""
    if path is None:
        return read_policy(BUNDLED.read_text("utf-8"), BUNDLED.name, BUNDLED.parent, kinds)
    file = Path(path)
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise PolicyRefused(f"{file}: larger than {LARGEST_BYTES} bytes: not a policy")
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise PolicyRefused(f"{file}: cannot be read: {reason}") from error
    return read_policy(text, str(file), file.parent, kinds)


def read_policy(
    text: str, name: str, folder: Path, kinds: Mapping[str, Kind] | None = None, *, confined: bool = False
) -> GuardPolicy:
    """The policy in a text; `folder` is where the files that it names are looked for, `confined` nowhere else."""
    data, lines = parse(text, name)
    if not isinstance(data, dict):
        raise PolicyRefused(f"{name}: a policy is a mapping that begins with `name:` and `version:`")
    known = installed_kinds() if kinds is None else kinds
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        raise PolicyRefused("\n".join(faults(error, (), lines, name))) from error
    plans: list[Plan] = []
    found: list[str] = []
    for index, rule in enumerate(document.guards):
        place: Place = ("guards", index)
        plan, wrong = plan_rule(rule, known, {"folder": folder, "confined": confined})
        found += [at(place + where, lines, name, message) for where, message in wrong]
        if plan is not None:
            found += [at(place, lines, name, message) for message in impossibilities(plan, document.stream)]
            plans.append(plan)
    if found:
        raise PolicyRefused("\n".join(found))
    return GuardPolicy(document, tuple(plans), name, content_hash(document, plans))


def read_replacement(text: str, name: str, configured: Path | None) -> GuardPolicy:
    """A policy from outside that stands in for the configured one, and reads files beside that one alone."""
    return read_policy(text, name, (configured or BUNDLED).parent, confined=True)


def plan_rule(
    rule: Rule, kinds: Mapping[str, Kind], context: Mapping[str, Any]
) -> tuple[Plan | None, list[tuple[Place, str]]]:
    """The rule with its kind, or why there is none: places under the rule, and messages."""
    try:
        kind = kinds.get(rule.kind)
    except KindUnavailable as error:
        return None, [(("kind",), str(error))]
    if kind is None:
        return None, [(("kind",), f"no kind of guard is called {rule.kind!r}; installed: {', '.join(kinds)}")]
    try:
        config = kind.config.model_validate(rule.config, context=dict(context))
    except ValidationError as error:
        return None, [(("config", *place_of(each)), worded(each, kind.config)) for each in error.errors()]
    return Plan(rule, kind, config), []


def content_hash(document: Document, plans: Sequence[Plan]) -> str:
    """The same for the same decisions: defaults are filled in; order of keys and comments do not count."""
    revisions = {plan.rule.id: plan.kind.revision(plan.config) for plan in plans}
    content = {"document": document.model_dump(mode="json", by_alias=True), "revisions": revisions}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def faults(error: ValidationError, place: Place, lines: Lines, name: str) -> list[str]:
    """Every fault of a part of the document, one line each."""
    return [at(place + place_of(detail), lines, name, sentence(detail)) for detail in error.errors()]


def place_of(detail: Any) -> Place:
    """Where a fault is; pydantic's own marks for keys and unions are no place."""
    return tuple(step for step in detail["loc"] if step != "[key]")


def sentence(detail: Any) -> str:
    """The fault in a policy author's words."""
    undecided = detail["type"] == "missing" and detail["loc"][-1] == "on_error"
    hint = "; say closed (failing means refuse) or open" if undecided else ""
    return worded(detail, Document) + hint


def at(place: Place, lines: Lines, name: str, message: str) -> str:
    """A fault with its file, line and field path."""
    place = written(place, lines)
    line = line_of(place, lines)
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    return f"{name}:{line or 1}: {field or 'document'}: {message}"


def written(place: Place, lines: Lines) -> Place:
    """The place as its author wrote it: without the index of an item that stands there alone, not in a list."""
    found: Place = ()
    for step in place:
        if isinstance(step, str) or (*found, step) in lines:
            found = (*found, step)
    return found
