"""What a rule promises and its guard, or a stream, cannot keep; found when a policy is loaded."""

from collections.abc import Set
from dataclasses import dataclass

from pydantic import BaseModel

from guards.kinds import Kind, Reach
from guards.policy.document import Document, Stream
from guards.policy.rule import Rule

CUTTING: Set[str] = frozenset({"redact"})
WITHHOLDING: Set[str] = frozenset({"revise", "refuse", "escalate"})


@dataclass(frozen=True, slots=True)
class Plan:
    """A rule of the document with its kind found and its config understood."""

    rule: Rule
    kind: Kind
    config: BaseModel


def impossibilities(plan: Plan, document: Document) -> list[str]:
    """One sentence for each promise that cannot be kept, naming guard and mode."""
    guard, wrong = f"guard {plan.rule.id!r}", []
    reported = reported_by(plan)
    if unknown := plan.rule.hazards.keys() - {"*"} - reported:
        wrong.append(
            f"{guard} never reports {', '.join(sorted(unknown))}; it reports {', '.join(sorted(reported))}"
        )
    if plan.rule.unsure is not None and (doubted := plan.rule.unsure.hazard) not in {None, *reported}:
        wrong.append(f"{guard} can never be unsure about {doubted}: it does not report it")
    redacted = hazards_with(CUTTING, plan)
    if bare := redacted - plan.kind.located(plan.config):
        wrong.append(
            f"{guard} cannot redact {', '.join(sorted(bare))}: it yields no spans; use flag or refuse"
        )
    if hazards_with({"revise"}, plan):
        wrong += revision_impossibilities(plan, document)
    if "reply" in plan.rule.sides and not wrong:
        wrong += stream_impossibilities(plan, document.stream)
    return wrong


def stream_impossibilities(plan: Plan, stream: Stream) -> list[str]:
    """What the guard cannot keep on streamed replies; any reply may be asked for as a stream."""
    guard, wrong = f"guard {plan.rule.id!r}", []
    redaction = reach_for(CUTTING, plan)
    if redaction.onset is None or redaction.onset > stream.hold_back_chars:
        wrong.append(
            f"{guard} cannot redact in streamed replies: {measure(redaction)} must be held back, "
            f"and stream.hold_back_chars is {stream.hold_back_chars}"
        )
    refusal, seen = reach_for(WITHHOLDING, plan), stream.hold_back_chars + stream.overlap_chars
    if refusal.onset is None or refusal.onset > seen:
        wrong.append(
            f"{guard} cannot refuse in streamed replies: {measure(refusal)} must be seen at once, "
            f"and stream.overlap_chars + stream.hold_back_chars is {seen}"
        )
    return wrong


def revision_impossibilities(plan: Plan, document: Document) -> list[str]:
    """Why nobody could revise what the guard finds."""
    guard = f"guard {plan.rule.id!r}"
    if "prompt" in plan.rule.sides:
        return [f"{guard} cannot revise a prompt: it is the user's own; use flag or refuse there"]
    if document.revision is None:
        return [f"{guard} revises, and the policy says by no principles how: write them under `revision`"]
    return []


def reach_for(actions: Set[str], plan: Plan) -> Reach:
    """How much text the hazards need that the rule answers with one of these actions."""
    hazards = hazards_with(actions, plan)
    return plan.kind.reach(plan.config, hazards) if hazards else Reach()


def hazards_with(actions: Set[str], plan: Plan) -> frozenset[str]:
    """The hazards, among those that the guard can report, that the rule answers with one of these actions."""
    return frozenset(
        hazard
        for hazard in reported_by(plan)
        if any(response.action in actions for response in plan.rule.responses(hazard))
    )


def reported_by(plan: Plan) -> frozenset[str]:
    """Every hazard that the guard can report where the rule puts it."""
    return frozenset[str]().union(*(plan.kind.hazards(plan.config, where) for where in plan.rule.sides))


def measure(reach: Reach) -> str:
    """The length in words, and what asks for it."""
    size = "text without bound" if reach.onset is None else f"{reach.onset} characters"
    return f"{size} (for {reach.what})" if reach.what else size
