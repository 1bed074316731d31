"""A policy's guards on some text: all at once, under one deadline, and what follows from what they say."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from guards.fingerprint import fingerprints_of
from guards.hearing import Heard, Post, hear, posted
from guards.judgement import Judgement, judge
from guards.kinds import Kind, installed_kinds
from guards.memory import Memory, key_of
from guards.panel import Case, Panel, panel_for
from guards.policy.cascade import asked_by, levels
from guards.policy.load import GuardPolicy
from guards.redaction import redacted
from guards.unscanned import beside
from guards.verdict import (
    Action,
    Context,
    Failure,
    Redaction,
    Screening,
    Segment,
    Where,
)

NOTHING: Mapping[str, int] = {}
NOBODY: Mapping[str, str] = {}
UNREAD = Judgement()  # of a segment that is no guard's business
# More would share the interpreter's one lock with the event loop, and finish no sooner.
THREADS = 8


class Screen:
    """The guards of one policy, built once and used by every request until another policy takes its place."""

    def __init__(self, policy: GuardPolicy, kinds: Mapping[str, Kind] | None = None) -> None:
        self.policy = policy
        known = installed_kinds() if kinds is None else kinds
        askers = asked_by(policy.document.guards)
        self.posts = tuple(
            posted(
                plan.rule,
                known[plan.rule.kind].build(plan.rule.id, plan.config),
                askers.get(plan.rule.id, ()),
            )
            for plan in policy.plans
        )
        self._levels = in_turn(self.posts)
        self.fingerprints = fingerprints_of(policy.plans)
        self.threads = ThreadPoolExecutor(THREADS, "guards")  # their own: nobody else waits behind them
        self._panels: dict[tuple[Where, str, bool], Panel] = {}
        self._memory = Memory()

    async def prompt(
        self,
        segments: Sequence[Segment],
        context: Context | None = None,
        unread: Mapping[str, int] = NOTHING,
    ) -> Screening:
        """What the policy makes of a prompt's segments, and of the parts beside them that no guard reads."""
        return await self.screen(segments, context or Context(), unread)

    async def reply(
        self,
        segments: Sequence[Segment],
        context: Context | None = None,
        unread: Mapping[str, int] = NOTHING,
    ) -> Screening:
        """The same for one candidate; `context` holds the prompt's turns."""
        return await self.screen(segments, context or Context(), unread)

    async def screen(
        self, segments: Sequence[Segment], context: Context, unread: Mapping[str, int] = NOTHING
    ) -> Screening:
        """Recalls what was judged before, hears guards on all else, and puts together what follows."""
        started = time.perf_counter()
        cases = [self._opened(segment, context) for segment in segments]
        if all(case.closed for case in cases):
            failures: tuple[Failure, ...] = ()
        else:
            failures = await self._hear(cases, context)
        screening = together(cases, failures, started, self.fingerprints)
        return beside(screening, unread, self.policy.document.unscanned) if unread else screening

    async def reading_on(self, segments: Sequence[Segment], context: Context | None = None) -> Screening:
        """What those guards make of segments that read them together with the texts before them (`earlier`).

        All others judge each text for itself, and are not asked.
        """
        started, context = time.perf_counter(), context or Context()
        cases = [self._read_on(segment, context) for segment in segments]
        heard = not all(case.closed for case in cases)
        return together(cases, await self._hear(cases, context) if heard else (), started, self.fingerprints)

    def _read_on(self, segment: Segment, context: Context) -> Case:
        """The segment before those of its panel who read on, with what is remembered of them alone."""
        panel = panel_for(segment, self.posts).reading_on(segment, context)
        if not panel.computing:
            return Case(segment, panel, b"", UNREAD)
        key = key_of("read on", [panel.key(segment, context)])
        return Case(segment, panel, key, self._memory.recall(key))

    def _opened(self, segment: Segment, context: Context) -> Case:
        """The segment before its panel, with what is remembered of it."""
        kind = segment.where, segment.part, segment.turns_ago > 0
        panel = self._panels.get(kind)
        if panel is None:
            panel = self._panels[kind] = panel_for(segment, self.posts)
        if not panel.computing:
            return Case(segment, panel, b"", None if panel.asking else UNREAD)
        key = panel.key(segment, context)
        return Case(segment, panel, key, self._memory.recall(key))

    async def _hear(self, cases: Sequence[Case], context: Context) -> tuple[Failure, ...]:
        """Hears every guard on every case that wants it, level by level, and judges; the failures of guards."""
        failures: list[Failure] = []
        ends = time.perf_counter() + self.policy.deadline_seconds
        for posts in self._levels:
            if heard := wanted(posts, cases):
                await hear(heard, context, ends - time.perf_counter(), self.threads)
                failures += noted(heard, cases)
        for case in cases:
            if case.said or case.judgement is None:
                case.judgement = self._judged(case)
        return tuple(failures)

    def _judged(self, case: Case) -> Judgement:
        """What follows from what was said of a case now and before; what rests on its texts alone is remembered."""
        panel, placeholder = case.panel, self.policy.document.redaction
        known = case.judgement
        if known is None:
            unheard = [post for post in panel.computing if post.rule.id not in case.said and case.wants(post)]
            own = [case.said[post.rule.id] for post in panel.computing if post.rule.id in case.said]
            known = judge(case.segment, own, placeholder, complete=not unheard)
            if own and not unheard:
                self._memory.keep(case.key, known)
        before = {rule.id for rule, _ in known.opinions}
        later = [opinion for name, opinion in case.said.items() if name not in before]
        if not panel.asking and not later:
            return known
        opinions = [*known.opinions, *later]
        heard = {rule.id for rule, _ in opinions}
        complete = not any(post.rule.id not in heard and case.wants(post) for post in panel)
        return judge(case.segment, opinions, placeholder, complete=complete)


def wanted(posts: Sequence[Post], cases: Sequence[Case]) -> list[Heard]:
    """The guards that some case wants, each with the segments that are its business."""
    heard = []
    for post in posts:
        mine = [(position, case.segment) for position, case in enumerate(cases) if case.wants(post)]
        if mine:
            heard.append(Heard(post, mine))
    return heard


def noted(heard: Sequence[Heard], cases: Sequence[Case]) -> list[Failure]:
    """Writes down with each case what was said of it; returns the failures."""
    for one in heard:
        for position, verdict in one.verdicts.items():
            cases[position].said[one.post.rule.id] = (one.post.rule, verdict)
    return [failure for one in heard if (failure := one.as_failure()) is not None]


def in_turn(posts: Sequence[Post]) -> list[list[Post]]:
    """The guards that are heard together, those first whom nobody asks."""
    level = levels([post.rule for post in posts])
    last = max(level.values(), default=0)
    return [[post for post in posts if level[post.rule.id] == each] for each in range(last + 1)]


def together(
    cases: Sequence[Case], failures: tuple[Failure, ...], started: float, panel: Mapping[str, str] = NOBODY
) -> Screening:
    """Judgements and failures put together, with the text as it may be delivered."""
    judged = [case.judgement or UNREAD for case in cases]
    findings = tuple(finding for one in judged for finding in one.findings)
    redactions = tuple([one.redactions for one in judged])
    segments = tuple([case.segment for case in cases])
    if any(redactions):
        segments = tuple(map(cut, segments, redactions))
    return Screening(
        text="".join([segment.text for segment in segments]),
        action=max((Action.ALLOW, *(one.action for one in findings), *(one.action for one in failures))),
        findings=findings,
        failures=failures,
        verdicts=tuple([verdict for one in judged for verdict in one.verdicts]),
        scanned_bytes=sum([one.scanned_bytes for one in judged]),
        latency_seconds=time.perf_counter() - started,
        segments=segments,
        redactions=redactions,
        parts=tuple([segment.part for segment in segments]),
        turns_ago=ages_of(segments),
        shares=tuple([len(one.verdicts) for one in judged]),
        panel=panel,
    )


def ages_of(segments: Sequence[Segment]) -> tuple[int, ...]:
    """How long ago each was said; nothing where all are new."""
    ages = [segment.turns_ago for segment in segments]
    return tuple(ages) if any(ages) else ()


def cut(segment: Segment, redactions: tuple[Redaction, ...]) -> Segment:
    """The segment as it may be delivered."""
    return replace(segment, text=redacted(segment.text, redactions)) if redactions else segment
