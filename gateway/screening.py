"""One candidate before the guards of its request's policy."""

import logging
from dataclasses import replace

from gateway import media, parts
from gateway.exchange import Candidate
from gateway.logprobs import as_they_may_leave
from gateway.together import Said, read_on
from gateway.trip import Trip
from guards.verdict import Screening

guard_log = logging.getLogger("trimtab.guards")


async def screened(candidate: Candidate, trip: Trip) -> Candidate:
    """The candidate with what the guards made of it; raises Unscannable."""
    found = parts.of_reply(candidate.message)
    unread = media.unread_in_reply(candidate.message)
    screening = await trip.screen.reply([part.segment for part in found], trip.context, unread)
    screening = await read_on(screening, Said(), trip)
    note_failed_guards(trip, screening)
    if candidate.logprobs:
        said = "".join(part.segment.text for part in found)
        candidate = replace(candidate, logprobs=await as_they_may_leave(candidate.logprobs, said, trip))
    return replace(candidate, screening=screening)


async def read_choices_on(trip: Trip) -> None:
    """Have each choice that is to be delivered read on from those before it."""
    if trip.choice is None or len(trip.choice.winners) < 2:
        return
    candidates, said = list(trip.candidates), Said()
    with trip.stage("screen_candidates"):
        for place in trip.choice.winners:
            candidate = candidates[place]
            if candidate.screening is not None and candidate.safe:
                screening = await read_on(candidate.screening, said, trip)
                note_failed_guards(trip, screening)
                candidates[place] = replace(candidate, screening=screening)
                said.add(() if screening.withheld else screening.segments)
    trip.candidates = tuple(candidates)


def note_failed_guards(trip: Trip, screening: Screening) -> None:
    """A guard that failed leaves its mark: whether it let pass or refused, the answer is not what it might be."""
    for failure in screening.failures:
        mark = f"guard {failure.guard}: failed {'closed' if failure.action.withholds else 'open'}"
        if mark not in trip.degraded:
            trip.degraded.append(mark)
            told_of = {"guard": failure.guard, "reason": failure.reason, "exchange": trip.ask.id}
            guard_log.warning("a guard could not decide", extra={"fields": told_of})
