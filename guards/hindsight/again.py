"""Asking guards again, where a policy wants a verdict that nobody gave then."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from guards.hindsight.decide import Decider, Decision
from guards.hindsight.record import Record
from guards.kinds import Kind
from guards.policy.feasible import Plan
from guards.policy.load import GuardPolicy
from guards.screen import Screen
from guards.verdict import Context, Screening

PATIENCE_MS = 600_000  # what was recorded is in no hurry


class TextMissing(Exception):
    """A guard must be asked about a text that is not to be had."""


class ToolsMissing(Exception):
    """A guard must be asked that wants to know which tools the request declared, which nobody has kept."""


class Again:
    """A policy's decisions, its guards asked where nothing else helps; each is built when it is first needed."""

    def __init__(self, decider: Decider, kinds: Mapping[str, Kind] | None = None) -> None:
        self.decider = decider
        self._kinds = kinds
        self._screens: dict[frozenset[str], Screen] = {}
        self._unaskable = {plan.rule.id for plan in decider.policy.plans if wants_tools(plan)}

    async def decide(self, record: Record, context: Context) -> Decision:
        """The decision; raises TextMissing or ToolsMissing where a guard would need what nobody has kept."""
        while not (decision := self.decider.decide(record)).want.nothing:
            want = decision.want
            places = sorted(set(want.texts).union(*want.guards.values()))
            if not want.guards or not all(record.segments[place].known for place in places):
                raise TextMissing
            if not context.tools and self._unaskable & want.guards.keys():
                raise ToolsMissing
            segments = [record.segments[place].segment for place in places]
            screening = await self._screen(want.guards).screen(segments, context)
            record = with_more(record, places, screening)
        return decision

    def _screen(self, names: Iterable[str]) -> Screen:
        """The screen of some of the policy's guards."""
        key = frozenset(names)
        if key not in self._screens:
            self._screens[key] = Screen(some_of(self.decider.policy, key), self._kinds)
        return self._screens[key]


def wants_tools(plan: Plan) -> bool:
    """Whether a guard rests on more than texts: on the tools that a request declares."""
    return bool(getattr(plan.config, "only_declared", False))


def some_of(policy: GuardPolicy, names: frozenset[str]) -> GuardPolicy:
    """The policy with these guards alone, each of which has time."""
    plans = tuple(
        replace(plan, rule=plan.rule.model_copy(update={"timeout_ms": PATIENCE_MS, "unsure": None}))
        for plan in policy.plans
        if plan.rule.id in names
    )
    rules = tuple(plan.rule for plan in plans)
    document = policy.document.model_copy(update={"guards": rules, "deadline_ms": PATIENCE_MS})
    return replace(policy, document=document, plans=plans)


def with_more(record: Record, places: list[int], screening: Screening) -> Record:
    """The record with what the guards have said, or failed to say, now; what was said then goes before it."""
    changed = {name for name, mark in screening.panel.items() if record.panel.get(name) != mark}
    segments = [
        replace(each, verdicts={name: said for name, said in each.verdicts.items() if name not in changed})
        for each in record.segments
    ]
    verdicts = iter(screening.verdicts)
    for place, share in zip(places, screening.shares, strict=True):
        more = {each.guard: each for each in (next(verdicts) for _ in range(share))}
        own = segments[place]
        segments[place] = replace(own, verdicts={**more, **own.verdicts})
    failed = frozenset(one.guard for one in screening.failures)
    return replace(
        record,
        segments=tuple(segments),
        panel={**record.panel, **screening.panel},
        failed=(record.failed - screening.panel.keys()) | failed,
    )
