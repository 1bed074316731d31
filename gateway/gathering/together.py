"""All candidates from one call; where a deadline was asked for, those that are whole when it comes near."""

import math

from gateway import certainty
from gateway.clock import Limit
from gateway.engines.contract import EngineTimedOut
from gateway.gathering.envelope import keep_choices
from gateway.gathering.listening import Streams
from gateway.gathering.screening import screen_candidates
from gateway.sampling import candidates_in, engine_body, usage_in
from gateway.strategies import STRATEGIES
from gateway.tools import Tools
from gateway.trip import Trip

RESERVED = (
    0.15  # of the time that is left when sampling begins, for guards and rewards; or, where that is more,
)
SCORINGS = 2.0  # times as long as rewards took lately, but never more than half of the time
LONGEST_RESERVE_SECONDS = 2.0


async def together(trip: Trip, model: str, tools: Tools) -> None:
    """Sample n, and show every text of every candidate to the guards; raises EngineFailed or Unscannable."""
    if (
        trip.ask.deadline_asked
        and not certainty.wanted(trip.ask.strategy, tools.settings.reward.fallback)
        and trip.ask.samples > trip.ask.returned
        and STRATEGIES[trip.ask.strategy].ranks
    ):
        await those_in_time(trip, model, tools)
    else:
        await sample(trip, model, tools)
    await screen_candidates(trip)


async def sample(trip: Trip, model: str, tools: Tools) -> None:
    """One call to the engine for all candidates."""
    body = engine_body(trip, model)
    body.pop("stream", None)  # an answer that must be whole before it is chosen is asked for whole
    body.pop("stream_options", None)
    with trip.stage("engine"):
        try:
            with Limit(trip.seconds_left):
                trip.completion = await certainty.completed(trip, body, tools)
        except TimeoutError:
            raise EngineTimedOut("the engine did not answer within the request's deadline") from None
    trip.usage = usage_in(trip.completion)
    trip.candidates = candidates_in(trip.completion, trip.ask.samples)
    if certainty.wanted(trip.ask.strategy, tools.settings.reward.fallback):
        certainty.weigh(trip)


def seconds_to_sample(trip: Trip, tools: Tools) -> float:
    """How much of the time that is left is for sampling; guards and rewards have the rest."""
    left, lately = trip.seconds_left, tools.memory.of((trip.ask.alias, trip.version)).scoring_seconds
    reserve = max(min(RESERVED * left, LONGEST_RESERVE_SECONDS), SCORINGS * lately)
    return left - min(reserve, left / 2)


async def those_in_time(trip: Trip, model: str, tools: Tools) -> None:
    """One stream of n choices, closed shortly before the deadline; those that are whole by then are the candidates."""
    body = {**engine_body(trip, model), "stream": True}
    body["stream_options"] = {"include_usage": True}
    seconds = seconds_to_sample(trip, tools)
    async with Streams([body], trip, tools, choices=trip.ask.samples) as streams:
        late = not await streams.reach(math.inf, within_seconds=seconds)
    if streams.failed and not late:
        raise streams.failed[0]
    whole = [heard for heard in streams.heard if heard.ended]
    if len(whole) < trip.ask.returned:
        raise EngineTimedOut(
            f"{len(whole)} candidates were whole in time, and {trip.ask.returned} are needed"
        )
    if len(whole) < trip.ask.samples:
        told = f"{len(whole)} of {trip.ask.samples} candidates were whole in time"
        trip.degraded.append(f"deadline: fewer candidates; {told}")
    keep_choices(trip, [heard.choice() for heard in whole], streams.spent())
