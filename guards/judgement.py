"""What the guards of a policy, all together, make of one segment. Pure: nothing here waits, nothing keeps its text."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from guards.policy.cascade import standing
from guards.policy.rule import Rule
from guards.redaction import merged, redacted, redaction_of
from guards.verdict import Action, Finding, Redaction, Segment, Verdict

MACHINE_READ = frozenset({"tool_arguments"})
SPOKEN = frozenset({"transcript"})  # the text of a sound, out of which nobody can cut it

Opinion = tuple[Rule, Verdict]  # what a guard said, and the rule that says what it means


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was said of a segment, and what follows for it."""

    opinions: tuple[Opinion, ...] = ()
    findings: tuple[Finding, ...] = ()
    redactions: tuple[Redaction, ...] = ()
    scanned_bytes: int = 0  # of its text in UTF-8, where every guard meant for it has judged it; else 0
    verdicts: tuple[Verdict, ...] = ()  # of the opinions

    @property
    def spans(self) -> int:
        """How many places guards have named."""
        return sum(len(verdict.spans) for verdict in self.verdicts)


def judge(segment: Segment, opinions: Sequence[Opinion], placeholder: str, *, complete: bool) -> Judgement:
    """What the policy prescribes for what guards said; `complete` when each that is meant for the segment did."""
    findings: list[Finding] = []
    cuts: list[Redaction] = []
    for rule, verdict in standing(opinions):
        found = findings_of(verdict, rule, segment)
        findings += found
        cut = {
            one.hazard: segment.where == "prompt" and rule.undone(one.hazard, one.probability)
            for one in found
            if one.action is Action.REDACT
        }
        cuts += [
            redaction_of(span, placeholder, reversible=cut[span.hazard])
            for span in verdict.spans
            if span.hazard in cut
        ]
    redactions = merged(cuts) if cuts else ()
    if redactions and breaks(segment, redactions):
        findings = [replace(one, action=max(one.action, Action.REFUSE)) for one in findings]
    return Judgement(
        opinions=tuple(opinions),
        findings=tuple(findings),
        redactions=redactions,
        scanned_bytes=len(segment.text.encode(errors="surrogatepass")) if complete else 0,
        verdicts=tuple(verdict for _, verdict in opinions),
    )


def findings_of(verdict: Verdict, rule: Rule, segment: Segment) -> list[Finding]:
    """The hazards whose probability reached the rule's threshold."""
    found = []
    for hazard, probability in verdict.scores.items():
        if hazard not in rule.hazards and "*" not in rule.hazards:
            continue
        action = rule.answer(hazard, probability)
        if action is Action.ALLOW:
            continue
        if action is Action.REDACT and not any(span.hazard == hazard for span in verdict.spans):
            action = Action.REFUSE  # found, but nobody can say where: it cannot be cut out, so it cannot pass
        found.append(Finding(rule.id, hazard, probability, action, segment.part))
    return found


def breaks(segment: Segment, cuts: Iterable[Redaction]) -> bool:
    """Whether the cuts cannot be made: in JSON that a program could not read then, or in what is spoken."""
    return segment.part in SPOKEN or (
        segment.part in MACHINE_READ and is_json(segment.text) and not is_json(redacted(segment.text, cuts))
    )


def is_json(text: str) -> bool:
    """Whether the text is a JSON document."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
