"""A policy's own test cases: what it must make of them before it is put in force."""

from collections.abc import Sequence
from dataclasses import dataclass

from guards.policy.document import Case
from guards.policy.load import GuardPolicy
from guards.policy.source import Mark, mark_of
from guards.screen import Screen
from guards.verdict import (
    PART_OF_DIRECTION,
    SIDE_OF_DIRECTION,
    Context,
    PolicyRefused,
    Screening,
    Segment,
)

SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case, and what became of it."""

    number: int  # of the case in the document, from 0
    case: Case
    screening: Screening
    faults: tuple[str, ...] = ()  # in what it differs from what was expected

    @property
    def decided(self) -> bool:
        """Whether every guard that had to could judge it; else it says nothing about the policy."""
        return not self.screening.failures


def segments_of(case: Case) -> list[Segment]:
    """A case's text as a segment of its direction; a tool call's after the name of what is called."""
    where, part = SIDE_OF_DIRECTION[case.where], PART_OF_DIRECTION[case.where]
    named = [Segment(case.tool, where, "tool_name", case.tool)] if case.tool else []
    return [*named, Segment(case.text, where, part, case.tool)]


async def tried(screen: Screen) -> list[Outcome]:
    """What the policy makes of each of its cases, in their order."""
    return [await outcome(screen, number, case) for number, case in enumerate(screen.policy.document.cases)]


async def outcome(screen: Screen, number: int, case: Case) -> Outcome:
    """What the policy makes of one case."""
    context = Context((("user", case.asked),) if case.asked else ())
    screening = await screen.screen(segments_of(case), context)
    return Outcome(number, case, screening, tuple(faults_of(case, screening)))


def faults_of(case: Case, screening: Screening) -> list[str]:
    """In what the screening differs from what the case expects."""
    faults = []
    if screening.action.word != case.expect:
        faults.append(f"expected {case.expect}, and the policy says {screening.action.word}{why(screening)}")
    if case.hazard is not None and case.hazard not in screening.hazards:
        faults.append(f"expected {case.hazard} to be found, and it was not{why(screening)}")
    if case.delivered is not None and screening.segments[-1].text != case.delivered:
        faults.append(
            f"the text would leave as {screening.segments[-1].text!r}, and not as `delivered` has it"
        )
    return faults


def why(screening: Screening) -> str:
    """The strongest findings, or the nearest that there was to one."""
    if screening.findings:
        told = [f"{one.guard}: {one.hazard} {one.probability:.2f}" for one in screening.findings[:3]]
    else:
        nearest = sorted(screening.verdicts, key=lambda verdict: -verdict.probability)[:1]
        told = [f"{one.guard}: {one.hazard} {one.probability:.2f}" for one in nearest if one.hazard]
    return f" ({'; '.join(told)})" if told else ""


async def accept(screen: Screen) -> list[Outcome]:
    """The cases that could not be decided; raises PolicyRefused, a line each, where one came out otherwise."""
    outcomes = await tried(screen)
    if wrong := told(screen.policy, [one for one in outcomes if one.faults and one.decided]):
        raise PolicyRefused("\n".join(wrong))
    return [one for one in outcomes if not one.decided]


def told(policy: GuardPolicy, outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each fault, with its place in the document."""
    lines = []
    for one in outcomes:
        place = ("cases", one.number)
        mark = mark_of(place, policy.marks) or Mark(policy.source, 1, 1)
        text = one.case.text if len(one.case.text) <= SHOWN_CHARS else one.case.text[:SHOWN_CHARS] + "…"
        lines += [f"{mark}: cases[{one.number}]: {text!r}: {fault}" for fault in one.faults]
    return lines
