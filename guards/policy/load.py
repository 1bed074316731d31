"""From a file to a policy that can be enforced: read, checked against the kinds of guard, hashed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from guards.kinds import Kind, KindUnavailable, installed_kinds
from guards.policy.cascade import faults_of
from guards.policy.document import Bounds, Document, Refusal, Stream
from guards.policy.extends import Library, bundled, text_of
from guards.policy.feasible import Plan, impossibilities
from guards.policy.rule import Rule
from guards.policy.shown import shown
from guards.policy.source import Mark, Marks, Place, flattened, mark_of
from guards.services import Service
from guards.verdict import PolicyRefused
from guards.wording import worded

UNENFORCED = {"extends", "without", "description", "cases"}  # of a document: they change no decision
NO_SERVICES: Mapping[str, Service] = {}
DEFAULT = "default"  # what is in force where nothing else is configured


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """A policy that passed every check; what it enforces is named by its hash."""

    document: Document
    plans: tuple[Plan, ...]
    source: str  # the file it was read from, for messages
    text: str = field(repr=False)  # as its author wrote it
    marks: Marks = field(compare=False, repr=False)  # where each part of the document stands, for messages
    revisions: Mapping[str, str]  # for each guard, a hash of the lists and weights that it uses
    services: Mapping[str, Service] = field(compare=False, repr=False)  # those that it could have named
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
    def revises_streams(self) -> bool:
        """Whether a streamed reply must be whole before it leaves, since it may have to be revised."""
        return self.document.revision is not None and self.document.revision.streams == "whole"

    @property
    def asks(self) -> tuple[Service, ...]:
        """The services that its guards ask."""
        named = (value for plan in self.plans for value in vars(plan.config).values())
        return tuple({one.name: one for one in named if isinstance(one, Service)}.values())

    @property
    def deadline_seconds(self) -> float:
        """How long one screening may take before its unfinished guards count as failed."""
        return self.document.deadline_ms / 1000


def load_policy(
    path: Path | str | None = None,
    kinds: Mapping[str, Kind] | None = None,
    services: Mapping[str, Service] = NO_SERVICES,
) -> GuardPolicy:
    """The policy in a file, or one that comes with Trimtab by its name; raises PolicyRefused with every fault."""
    file = policy_file(path)
    return read_policy(text_of(file), str(file), file.parent, kinds, services)


def policy_file(path: Path | str | None) -> Path:
    """The file that is meant: a path, or the name of a policy that comes with Trimtab."""
    file = Path(path or DEFAULT)
    return file if file.is_file() else bundled(str(file)) or file


def read_policy(
    text: str,
    name: str,
    folder: Path,
    kinds: Mapping[str, Kind] | None = None,
    services: Mapping[str, Service] = NO_SERVICES,
    *,
    confined: bool = False,
) -> GuardPolicy:
    """The policy in a text; `folder` is where the files that it names are looked for, `confined` nowhere else.

    Of services it may name those that are given here.
    """
    composed = Library(folder, confined).composed(text, name)
    data, marks = flattened(composed)
    if not isinstance(data, dict):
        raise PolicyRefused(f"{name}: a policy is a mapping that begins with `name:` and `version:`")
    known = installed_kinds() if kinds is None else kinds
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        raise PolicyRefused("\n".join(faults(error, (), marks, name))) from error
    plans: list[Plan] = []
    found: list[str] = []
    for index, rule in enumerate(document.guards):
        place: Place = ("guards", index)
        context = {"folder": folder, "confined": confined, "services": services}
        plan, wrong = plan_rule(rule, known, context)
        found += [at(place + where, marks, name, message) for where, message in wrong]
        if plan is not None:
            found += [at(place, marks, name, message) for message in impossibilities(plan, document)]
            plans.append(plan)
    for index, message in faults_of(document.guards):
        found.append(at(("guards", index, "unsure"), marks, name, message))
    if found:
        raise PolicyRefused("\n".join(found))
    revisions = {plan.rule.id: plan.kind.revision(plan.config) for plan in plans}
    return GuardPolicy(
        document, tuple(plans), name, text, marks, revisions, services, content_hash(document, revisions)
    )


def read_replacement(
    text: str, name: str, configured: Path | None, services: Mapping[str, Service] = NO_SERVICES
) -> GuardPolicy:
    """A policy from outside that stands in for the configured one, and reads files beside that one alone."""
    return read_policy(text, name, policy_file(configured).parent, services=services, confined=True)


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


def content_hash(document: Document, revisions: Mapping[str, str]) -> str:
    """The same for the same decisions: defaults are filled in; order of keys and comments do not count."""
    said = document.model_dump(mode="json", by_alias=True, exclude=UNENFORCED)
    content = {"document": said, "revisions": revisions}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def faults(error: ValidationError, place: Place, marks: Marks, name: str) -> list[str]:
    """Every fault of a part of the document, one line each."""
    return [at(place + place_of(detail), marks, name, sentence(detail)) for detail in error.errors()]


def place_of(detail: Any) -> Place:
    """Where a fault is; pydantic's own marks for keys and unions are no place."""
    return tuple(step for step in detail["loc"] if step != "[key]")


def sentence(detail: Any) -> str:
    """The fault in a policy author's words."""
    undecided = detail["type"] == "missing" and detail["loc"][-1] == "on_error"
    hint = "; say closed (failing means refuse) or open" if undecided else ""
    return worded(detail, Document) + hint


def at(place: Place, marks: Marks, name: str, message: str) -> str:
    """A fault with its file, line, column and field path."""
    place = written(place, marks)
    mark = mark_of(place, marks) or Mark(name, 1, 1)
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    return f"{mark}: {shown(field) or 'document'}: {shown(message)}"


def written(place: Place, marks: Marks) -> Place:
    """The place as its author wrote it: without the index of an item that stands there alone, not in a list."""
    found: Place = ()
    for step in place:
        if isinstance(step, str) or (*found, step) in marks:
            found = (*found, step)
    return found
