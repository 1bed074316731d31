"""Every candidate its own stream; at checkpoints the worse beginnings are hung up on.

    n streams (or stages) → at each checkpoint score beginnings, keep the better, hang up on the others → to the end

Whether beginnings tell of endings is measured on requests on which nothing is cut: the first of a route, and a share
of the later ones. Where they do not, nothing is cut until they do.
"""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.alignment_settings import RejectionSettings
from gateway.ask import NOT_IN_BLOCKS
from gateway.engines.contract import EngineTimedOut
from gateway.gathering.envelope import keep_choices
from gateway.gathering.listening import Heard, Streams
from gateway.gathering.screening import screen_candidates
from gateway.gathering.stages import Begun, Stages
from gateway.gathering.together import seconds_to_sample
from gateway.sampling import engine_body
from gateway.scoring import Unscored, rewards_for, score
from gateway.strategies.memory import Known
from gateway.strategies.speculative_rejection import LEAST_PAIRS, places, survivors, trusted
from gateway.tools import Tools
from gateway.trip import Trip
from guards.verdict import Segment

FEWEST = 4  # candidates: of fewer there is nothing to cut
NEVER: frozenset[float] = frozenset()
UNKNOWN_LENGTH = 128  # tokens of an answer, before any was seen


@dataclass(slots=True)
class Course:
    """How one request is gathered, and what came of it."""

    cuts_at: frozenset[float]  # checkpoints; at none, all beginnings can be held against their ends
    partial: dict[float, dict[int, float]] = field(
        default_factory=dict
    )  # rewards by checkpoint and candidate
    cut: dict[int, float] = field(default_factory=dict)  # the last reward of those that were hung up on
    why: str = ""


async def rejection(trip: Trip, model: str, tools: Tools) -> None:
    """Sample, cut, screen and score; raises EngineFailed or Unscannable."""
    how = tools.settings.alignment.rejection
    known = tools.memory.of((trip.ask.alias, trip.version))
    course = course_of(known, how)
    async with field_of(trip, model, tools, how) as streams:
        until = Until(seconds_to_sample(trip, tools) if trip.ask.deadline_asked else None)
        for share, place in checkpoints(known, trip, how):
            if not await streams.reach(place, until.left) or not streams.speaking:
                break
            if not await weigh(streams, share, how.keep, course, trip, tools):
                break
        await streams.reach(math.inf, until.left)
    note_missing(streams, course, trip)
    keep(streams, course, trip)
    await screen_candidates(trip)
    await score(trip, tools)
    learn(known, course, trip)
    tell(course, known, how, trip, tools)


class Until:
    """When sampling has to end, where the request has a deadline of its own."""

    def __init__(self, seconds: float | None) -> None:
        self._ends = None if seconds is None else time.perf_counter() + seconds

    @property
    def left(self) -> float | None:
        """Seconds; None where the request's usual limit is the only one."""
        return None if self._ends is None else max(0.0, self._ends - time.perf_counter())


def note_missing(streams: Streams | Stages, course: Course, trip: Trip) -> None:
    """Say which candidates did not come to their end; raises EngineFailed where too few did."""
    ended = sum(heard.ended for heard in streams.heard)
    late = len(streams.heard) - ended - len(course.cut) - len(streams.failed)
    if streams.failed and not ended:
        raise streams.failed[min(streams.failed)]
    if ended < trip.ask.returned:
        raise EngineTimedOut(f"{ended} candidates were whole in time, and {trip.ask.returned} are needed")
    if streams.failed:
        trip.degraded.append(f"engine: candidates failed; {len(streams.failed)} of {len(streams.heard)}")
    if late > 0:
        trip.degraded.append(f"deadline: fewer candidates; {late} were not whole in time")


def course_of(known: Known, how: RejectionSettings) -> Course:
    """Whether this request cuts or measures."""
    known.requests += 1
    telling = {share: known.at(share) for share in how.checkpoints}
    cuts_at = frozenset(
        share for share, each in telling.items() if trusted(each.correlation, len(each.pairs))
    )
    if not cuts_at:
        found = max(each.correlation or 0.0 for each in telling.values())
        enough = all(len(each.pairs) >= LEAST_PAIRS for each in telling.values())
        why = f"beginnings tell too little, {found:.2f}" if enough else "too little is known yet"
        return Course(NEVER, why=f"nothing was cut: {why}")
    if known.requests % max(2, round(1 / how.measured)) == 0:
        return Course(NEVER, why="nothing was cut, to measure what beginnings tell")
    return Course(cuts_at)


def field_of(trip: Trip, model: str, tools: Tools, how: RejectionSettings) -> Streams | Stages:
    """The candidates that set out; only plain text can be gone on with in stages."""
    bodies = bodies_of(trip, model)
    plain = trip.ask.kind == "chat" and not any(trip.body.get(name) for name in ("stop", *NOT_IN_BLOCKS))
    return Stages(bodies, trip, tools) if how.by == "stages" and plain else Streams(bodies, trip, tools)


def checkpoints(known: Known, trip: Trip, how: RejectionSettings) -> list[tuple[float, int]]:
    """The shares of an answer at which beginnings are weighed, and how many tokens those are here."""
    if trip.ask.samples < FEWEST:
        return []
    longest = trip.body.get("max_completion_tokens") or trip.body.get("max_tokens") or math.inf
    length = min(known.length or UNKNOWN_LENGTH, longest)
    return list(zip(how.checkpoints, places(how.checkpoints, length), strict=True))


def bodies_of(trip: Trip, model: str) -> list[dict[str, Any]]:
    """One request to the engine for each candidate; of a seed each gets one of its own, as with n."""
    body = {**engine_body(trip, model), "stream": True, "stream_options": {"include_usage": True}}
    body.pop("n", None)
    seed = body.get("seed")
    if not isinstance(seed, int):
        return [body] * trip.ask.samples
    return [{**body, "seed": seed + index} for index in range(trip.ask.samples)]


async def weigh(
    streams: Streams | Stages, share: float, keep_share: float, course: Course, trip: Trip, tools: Tools
) -> bool:
    """Score what was said so far and hang up on the worse; False where there are no rewards to go by."""
    running = [heard.index for heard in streams.heard if heard.index in streams.speaking]
    ended = [heard.index for heard in streams.heard if heard.ended]
    texts = await as_delivered({index: streams.heard[index].text for index in {*running, *ended}}, trip)
    weighed = sorted(texts)
    if not weighed:
        return True  # guards let none of them pass as it is: their ends will tell
    try:
        rewards = await rewards_for([texts[index] for index in weighed], trip, tools, partial=True)
    except Unscored as why:
        trip.degraded.append(f"reward: {why}; nothing cut early")
        return False
    partial = dict(zip(weighed, map(float, rewards), strict=True))
    course.partial[share] = partial
    if share in course.cuts_at:
        going = set(survivors(partial, ended, trip.ask.returned, keep_share))
        losers = [index for index in running if index not in going]
        course.cut |= {index: partial[index] for index in losers if index in partial}
        await streams.hang_up(losers)
    return True


async def as_delivered(texts: Mapping[int, str], trip: Trip) -> dict[int, str]:
    """The beginnings that guards let pass, with what would be cut out of them cut out: nobody scores anything else."""
    with trip.stage("screen_candidates"):
        screenings = await asyncio.gather(
            *(
                trip.screen.reply([Segment(text, "reply", whole=False)], trip.context)
                for text in texts.values()
            )
        )
    found = zip(texts, screenings, strict=True)
    return {index: screening.text for index, screening in found if not screening.withheld}


def keep(streams: Streams | Stages, course: Course, trip: Trip) -> None:
    """All that was said becomes candidates, each under its stream's number; what did not end cannot win."""
    keep_choices(trip, [heard.choice() for heard in streams.heard], streams.spent())
    said: Sequence[Heard | Begun] = streams.heard
    trip.candidates = tuple(
        replace(each, tokens=heard.tokens, cut=not heard.ended, reward=course.cut.get(each.index))
        for each, heard in zip(trip.candidates, said, strict=True)
    )


def learn(known: Known, course: Course, trip: Trip) -> None:
    """What this request shows of the route: lengths always, the rest only where nothing was cut."""
    ended = [each for each in trip.candidates if not each.cut]
    known.heard([each.tokens for each in ended if each.tokens])
    final = {each.index: each.reward for each in ended if each.reward is not None}
    if course.cuts_at or len(final) < 2:
        return
    known.moments.learn(list(final.values()))
    for share, partial in course.partial.items():
        known.at(share).learn(partial, final)


def tell(course: Course, known: Known, how: RejectionSettings, trip: Trip, tools: Tools) -> None:
    """What came of it, for the explanation and the dashboards."""
    spent = sum(each.tokens for each in trip.candidates)
    cut = sum(each.cut for each in trip.candidates)
    told = f"{cut} of {len(trip.candidates)} {'was' if cut == 1 else 'were'} cut off early"
    trip.gathered = f"{course.why or told}."
    tools.metrics.rejected.labels(trip.ask.alias).inc(cut)
    tools.metrics.sampled_tokens.labels(trip.ask.strategy).inc(spent)
    for share in how.checkpoints:
        if (correlation := known.at(share).correlation) is not None:
            tools.metrics.partial_correlation.labels(trip.ask.alias, f"{share:g}").set(correlation)
