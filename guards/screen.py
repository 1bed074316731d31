"""A policy's guards on some text: all at once, under one deadline, and what follows from what they say."""

import asyncio
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from guards.kinds import Kind, installed_kinds
from guards.policy.document import Rule
from guards.policy.load import GuardPolicy
from guards.redaction import merged, redacted, redaction_of
from guards.verdict import (
    Action,
    Context,
    Failure,
    Finding,
    Guard,
    GuardFailed,
    GuardTimedOut,
    Redaction,
    Screening,
    Segment,
    Span,
    Verdict,
)

MACHINE_READ = frozenset({"tool_arguments"})


@dataclass(frozen=True, slots=True)
class Post:
    """A guard at its place in the policy."""

    rule: Rule
    guard: Guard

    def covers(self, segment: Segment) -> bool:
        """Whether the policy wants this segment seen by this guard."""
        return segment.where in self.rule.where and segment.part not in self.rule.skip_parts


@dataclass(slots=True)
class Heard:
    """What one guard said of the segments it was given: a verdict each by position, or why there is none."""

    post: Post
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    failure: GuardFailed | None = None

    def complete(self, segments: Sequence[Segment]) -> bool:
        """Whether every segment that is this guard's business has its verdict."""
        return all(
            position in self.verdicts for position, one in enumerate(segments) if self.post.covers(one)
        )


class Screen:
    """The guards of one policy, built once and used by every request until another policy takes its place."""

    def __init__(self, policy: GuardPolicy, kinds: Mapping[str, Kind] | None = None) -> None:
        self.policy = policy
        known = installed_kinds() if kinds is None else kinds
        self.posts = tuple(
            Post(plan.rule, known[plan.rule.kind].build(plan.rule.id, plan.config)) for plan in policy.plans
        )

    async def prompt(self, segments: Sequence[Segment], context: Context | None = None) -> Screening:
        """What the policy makes of a prompt's segments."""
        return await self.screen(segments, context or Context())

    async def reply(self, segments: Sequence[Segment], context: Context | None = None) -> Screening:
        """What the policy makes of one candidate's segments; `context` holds the prompt's turns."""
        return await self.screen(segments, context or Context())

    async def screen(self, segments: Sequence[Segment], context: Context) -> Screening:
        """Hears every guard on every segment that is its business, then decides."""
        started = time.perf_counter()
        heard = await self.hear(tuple(segments), context)
        screening = decide(tuple(segments), heard, self.policy.document.redaction)
        return replace(screening, latency_seconds=time.perf_counter() - started)

    async def hear(self, segments: tuple[Segment, ...], context: Context) -> list[Heard]:
        """Each guard's verdicts, or its failure once its own time or the policy's deadline is over."""
        heard = [Heard(post) for post in self.posts if any(map(post.covers, segments))]
        tasks = [asyncio.create_task(consult(one, segments, context)) for one in heard]
        try:
            await self.wait(heard, tasks)
        finally:
            for task in tasks:
                task.cancel()
        for one in heard:
            if one.failure is None and not one.complete(segments):
                one.failure = GuardFailed("ended without a verdict")  # cancelled from within, for instance
        return heard

    async def wait(self, heard: list[Heard], tasks: list[asyncio.Task[None]]) -> None:
        """Waits for the guards, the most impatient first; whoever is late has failed and is left behind."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        limits = [min(one.post.rule.timeout_ms / 1000, self.policy.deadline_seconds) for one in heard]
        for limit in sorted(set(limits)):
            due = [task for task, own in zip(tasks, limits, strict=True) if own == limit]
            await asyncio.wait(due, timeout=max(0.0, started + limit - loop.time()))
            for one, task, own in zip(heard, tasks, limits, strict=True):
                if own == limit and not task.done():
                    one.failure = GuardTimedOut(f"had not answered within {limit:g} s")


async def consult(heard: Heard, segments: tuple[Segment, ...], context: Context) -> None:
    """Asks one guard about each of its segments; a failure stays with what was heard until then."""
    try:
        for position, segment in enumerate(segments):
            if heard.post.covers(segment):
                verdict = await heard.post.guard.check(segment, context)
                heard.verdicts[position] = sound(verdict, segment)
    except GuardFailed as failure:
        heard.failure = failure
    except Exception as crash:  # noqa: BLE001 - a guard may be anybody's code; its crash is told as a Failure
        heard.failure = GuardFailed(f"crashed: {type(crash).__name__}")  # its text may quote the prompt


def sound(verdict: Verdict, segment: Segment) -> Verdict:
    """The verdict, or GuardFailed when it is garbage: a NaN compares as below every threshold."""
    if not isinstance(verdict, Verdict):
        raise GuardFailed(f"answered with {type(verdict).__name__} instead of a verdict")
    if not all(math.isfinite(score) and 0 <= score <= 1 for score in verdict.scores.values()):
        raise GuardFailed("answered with a probability that is none")
    if not all(0 <= span.start <= span.end <= len(segment.text) for span in verdict.spans):
        raise GuardFailed("answered with a span outside of the text")
    return verdict


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
