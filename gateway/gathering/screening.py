"""Candidates before the guards, all at once."""

import asyncio

from gateway.screening import screened
from gateway.trip import Trip


async def screen_candidates(trip: Trip) -> None:
    """Show every text of every candidate that no guard has read to the guards."""
    with trip.stage("screen_candidates"):
        if len(trip.candidates) == 1:
            trip.candidates = (await screened(trip.candidates[0], trip),)
            return
        unread = [each for each in trip.candidates if each.screening is None]
        read = await asyncio.gather(*(screened(each, trip) for each in unread))
        known = {each.index: each for each in read}
        trip.candidates = tuple(known.get(each.index, each) for each in trip.candidates)
