"""A policy's guards on some text: all at once, under one deadline, and what follows from what they say."""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from guards.hearing import Heard, hear, posted
from guards.kinds import Kind, installed_kinds
from guards.policy.document import Rule
from guards.policy.load import GuardPolicy
from guards.redaction import merged, redacted, redaction_of
from guards.verdict import (
    Action,
    Context,
    Failure,
    Finding,
    GuardFailed,
    Redaction,
    Screening,
    Segment,
    Span,
    Verdict,
)

MACHINE_READ = frozenset({"tool_arguments"})
# More would share the interpreter's one lock with the event loop, and finish no sooner.
THREADS = 8


class Screen:
    """The guards of one policy, built once and used by every request until another policy takes its place."""

    def __init__(self, policy: GuardPolicy, kinds: Mapping[str, Kind] | None = None) -> None:
        self.policy = policy
        known = installed_kinds() if kinds is None else kinds
        self.posts = tuple(
            posted(plan.rule, known[plan.rule.kind].build(plan.rule.id, plan.config)) for plan in policy.plans
        )
        self.threads = ThreadPoolExecutor(THREADS, "guards")  # their own: nobody else waits behind them

    async def prompt(self, segments: Sequence[Segment], context: Context | None = None) -> Screening:
        """What the policy makes of a prompt's segments."""
        return await self.screen(segments, context or Context())

    async def reply(self, segments: Sequence[Segment], context: Context | None = None) -> Screening:
        """What the policy makes of one candidate's segments; `context` holds the prompt's turns."""
        return await self.screen(segments, context or Context())

    async def screen(self, segments: Sequence[Segment], context: Context) -> Screening:
        """Hears every guard on every segment that is its business, then decides."""
        started, segments = time.perf_counter(), tuple(segments)
        heard = [Heard(post) for post in self.posts if any(map(post.covers, segments))]
        if heard:
            await hear(heard, segments, context, self.policy.deadline_seconds, self.threads)
        screening = decide(segments, heard, self.policy.document.redaction)
        return replace(screening, latency_seconds=time.perf_counter() - started)


def decide(segments: tuple[Segment, ...], heard: Sequence[Heard], placeholder: str) -> Screening:
    """The strictest action that the policy prescribes for what was heard; nothing here waits or measures."""
    findings: list[Finding] = []
    marked: list[list[tuple[Span, str]]] = [[] for _ in segments]
    for one in heard:
        for position, verdict in one.verdicts.items():
            found = findings_of(verdict, one.post.rule, segments[position])
            findings += found
            marks = {finding.hazard for finding in found if finding.action is Action.REDACT}
            marked[position] += [(span, placeholder) for span in verdict.spans if span.hazard in marks]
    failures = tuple(failure_of(one.post.rule, one.failure) for one in heard if one.failure)
    redactions = tuple(merged([redaction_of(*mark) for mark in marks]) for marks in marked)
    broken = {one.part for one, cuts in zip(segments, redactions, strict=True) if cuts and breaks(one, cuts)}
    findings = [
        replace(one, action=max(one.action, Action.REFUSE)) if one.part in broken else one for one in findings
    ]
    return outcome(segments, heard, tuple(findings), failures, redactions)


def breaks(segment: Segment, cuts: tuple[Redaction, ...]) -> bool:
    """Whether the cuts would turn JSON that a program is to read into something that it cannot."""
    return (
        segment.part in MACHINE_READ and is_json(segment.text) and not is_json(redacted(segment.text, cuts))
    )


def is_json(text: str) -> bool:
    """Whether the text is a JSON document."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def findings_of(verdict: Verdict, rule: Rule, segment: Segment) -> list[Finding]:
    """The hazards whose probability reached the rule's threshold."""
    found = []
    for hazard, probability in verdict.scores.items():
        action = rule.answer(hazard, probability)
        if action is Action.ALLOW:
            continue
        if action is Action.REDACT and not any(span.hazard == hazard for span in verdict.spans):
            action = Action.REFUSE  # found, but nobody can say where: it cannot be cut out, so it cannot pass
        found.append(Finding(rule.id, hazard, probability, action, segment.part))
    return found


def failure_of(rule: Rule, failure: GuardFailed) -> Failure:
    """The failure with the action that the rule's `on_error` prescribes."""
    return Failure(rule.id, str(failure) or type(failure).__name__, rule.when_failing)


def outcome(
    segments: tuple[Segment, ...],
    heard: Sequence[Heard],
    findings: tuple[Finding, ...],
    failures: tuple[Failure, ...],
    redactions: tuple[tuple[Redaction, ...], ...],
) -> Screening:
    """Findings and failures put together with the text as it may be delivered."""
    safe = tuple(
        replace(segment, text=redacted(segment.text, cuts)) if cuts else segment
        for segment, cuts in zip(segments, redactions, strict=True)
    )
    return Screening(
        text="".join(segment.text for segment in safe),
        action=max((Action.ALLOW, *(one.action for one in findings), *(one.action for one in failures))),
        findings=findings,
        failures=failures,
        verdicts=tuple(verdict for one in heard for _, verdict in sorted(one.verdicts.items())),
        scanned_bytes=scanned_bytes(segments, heard),
        segments=safe,
        redactions=redactions,
    )


def scanned_bytes(segments: tuple[Segment, ...], heard: Sequence[Heard]) -> int:
    """UTF-8 bytes of the segments that all guards meant for them judged; unguarded text counts nothing."""
    total = 0
    for position, segment in enumerate(segments):
        meant = [one for one in heard if one.post.covers(segment)]
        if meant and all(position in one.verdicts for one in meant):
            total += len(segment.text.encode(errors="surrogatepass"))
    return total
