"""Every candidate its own stream; at checkpoints the worse beginnings are hung up on.

    n streams (or stages) → at each checkpoint score beginnings, keep the better, hang up on the others → to the end

Whether beginnings tell of endings is measured on requests on which nothing is cut: the first of a route, and a share
of the later ones. Where they do not, nothing is cut until they do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.alignment_settings import RejectionSettings
from gateway.ask import NOT_IN_BLOCKS
from gateway.gathering.envelope import keep_choices
from gateway.gathering.listening import Heard, Streams
from gateway.gathering.screening import screen_candidates
from gateway.gathering.stages import Begun, Stages
from gateway.sampling import engine_body
from gateway.scoring import Unscored, rewards_for, score
from gateway.strategies.memory import Known
from gateway.strategies.speculative_rejection import LEAST_PAIRS, places, survivors, trusted
from gateway.tools import Tools
from gateway.trip import Trip

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
        for share, place in checkpoints(known, trip, how):
            await streams.reach(place)
            if not streams.speaking or not await weigh(streams, share, how.keep, course, trip, tools):
                break
        await streams.reach(math.inf)
    if len(streams.failed) == len(streams.heard):
        raise streams.failed[0]
    if streams.failed:
        trip.degraded.append(f"engine: {len(streams.failed)} of {len(streams.heard)} candidates failed")
    keep(streams, course, trip)
    await screen_candidates(trip)
    await score(trip, tools)
    learn(known, course, trip)
    tell(course, known, how, trip, tools)


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
    plain = trip.ask.kind == "chat" and not any(trip.body.get(name) for name in NOT_IN_BLOCKS)
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
    weighed = sorted({*running, *ended})
    try:
        rewards = await rewards_for(
            [streams.heard[index].text for index in weighed], trip, tools, partial=True
        )
    except Unscored as why:
        trip.degraded.append(f"reward: {why}; nothing cut early")
        return False
    partial = dict(zip(weighed, map(float, rewards), strict=True))
    course.partial[share] = partial
    if share in course.cuts_at:
        going = set(survivors(partial, ended, trip.ask.returned, keep_share))
        losers = [index for index in running if index not in going]
        course.cut |= {index: partial[index] for index in losers}
        await streams.hang_up(losers)
    return True


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
    trip.gathered = (
        course.why + "."
        if course.why
        else f"{len(course.cut)} were cut off early, of {len(trip.candidates)}."
    )
    tools.metrics.rejected.labels(trip.ask.alias).inc(len(course.cut))
    tools.metrics.sampled_tokens.labels(trip.ask.strategy).inc(spent)
    for share in how.checkpoints:
        if (correlation := known.at(share).correlation) is not None:
            tools.metrics.partial_correlation.labels(trip.ask.alias, f"{share:g}").set(correlation)
