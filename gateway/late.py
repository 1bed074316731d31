"""Screenings of a stream, whose beginning has left when its end is judged: what can follow from them, and when."""

from dataclasses import replace

from guards.verdict import Action, Finding, Screening


def refused(screening: Screening) -> Screening:
    """The screening of a text with a cut that can no longer be made."""
    return replace(screening, action=max(screening.action, Action.REFUSE))


def merged(screening: Screening, earlier: list[Finding]) -> Screening:
    """The last screening with what was found in pieces and not in the whole: a flag, once raised, stays."""
    known = {(finding.guard, finding.hazard) for finding in screening.findings}
    more = tuple(
        replace(finding, action=min(finding.action, Action.REDACT))
        for finding in earlier
        if (finding.guard, finding.hazard) not in known
    )
    if not more:
        return screening
    strictest = max(screening.action, *(finding.action for finding in more))
    return replace(screening, findings=(*screening.findings, *more), action=strictest)


def waits(screening: Screening) -> bool:
    """Whether a guard can only judge the whole, and nothing decides already."""
    return not screening.withheld and any(verdict.waits for verdict in screening.verdicts)


def may_change(screening: Screening) -> bool:
    """Whether the whole of a text may pass though this much of it does not.

    Some guards judge a text as a whole, and what looks bad half-way may end well; what a guard can point at stays.
    """
    if not screening.withheld or screening.undecided:
        return False
    places = {(verdict.guard, span.hazard) for verdict in screening.verdicts for span in verdict.spans}
    return not any(one.action.withholds and (one.guard, one.hazard) in places for one in screening.findings)
