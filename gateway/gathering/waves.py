"""Candidates wave after wave, until one is as good as the best of n would be on average."""

import time
from dataclasses import replace

from gateway.clock import Limit
from gateway.engines.contract import EngineFailed, EngineTimedOut
from gateway.exchange import Candidate, Usage
from gateway.gathering.envelope import keep_choices
from gateway.gathering.screening import screen_candidates
from gateway.sampling import Json, choices_in, engine_body, usage_in
from gateway.scoring import score
from gateway.strategies.adaptive import Route, enough, most, wave
from gateway.strategies.dial import UNRANKED, worths
from gateway.strategies.memory import Known
from gateway.tools import Tools
from gateway.trip import Trip

PATIENCE = 1.25  # times what the slowest wave took must be left for another one


async def waves(trip: Trip, model: str, tools: Tools) -> None:
    """Sample, screen and score a few at a time; raises EngineFailed or Unscannable."""
    known = tools.memory.of((trip.ask.alias, trip.version))
    limit = most(trip.ask.samples, trip.ask.max_samples)
    slowest = 0.0
    while (size := wave(len(trip.candidates), limit, tools.settings.alignment.wave)) > 0:
        began = time.perf_counter()
        try:
            await one_wave(trip, model, tools, size)
        except EngineFailed:
            if sum(each.safe for each in trip.candidates) < trip.ask.returned:
                raise
            why = "the engine gave no more"
            trip.degraded.append(f"engine: a wave failed; {len(trip.candidates)} candidates were there")
            break
        slowest = max(slowest, time.perf_counter() - began)
        if why := reason_to_stop(trip, known, slowest):
            break
    else:
        why = "as many as may be sampled"
    # Later waves come only where the first one was not good enough: what they bring would tell of such prompts alone.
    first = wave(0, limit, tools.settings.alignment.wave)
    known.moments.learn(rewards_of(trip.candidates[:first]))
    tools.metrics.samples.labels(trip.ask.strategy).observe(len(trip.candidates))
    trip.gathered = f"{len(trip.candidates)} sampled in waves, of {limit} at most: {why}."


def reason_to_stop(trip: Trip, known: Known, slowest: float) -> str:
    """Why no further wave is drawn; empty where one is."""
    safe = [each for each in trip.candidates if each.safe]
    rewards, route = worth_of(trip, known)
    if safe and not rewards:
        return "there are no rewards to go on by" if len(trip.candidates) >= trip.ask.samples else ""
    if len(safe) >= trip.ask.returned and enough(rewards, trip.ask.samples, route):
        return f"as good as the best of {trip.ask.samples} on average"
    if safe and trip.seconds_left < PATIENCE * slowest:
        trip.degraded.append(f"deadline: fewer candidates; {len(trip.candidates)} were sampled")
        return "no time for more"
    return ""


def worth_of(trip: Trip, known: Known) -> tuple[list[float], Route | None]:
    """What candidates are worth, and what to expect of more: with a dial, nothing but they themselves tells."""
    if not trip.ask.knobs.dial:
        return rewards_of(trip.candidates), known.moments.route
    return [each for each in worths(trip.candidates, trip.ask.knobs) if each > UNRANKED], None


def rewards_of(candidates: tuple[Candidate, ...]) -> list[float]:
    """The rewards that there are."""
    return [each.reward for each in candidates if each.reward is not None]


async def one_wave(trip: Trip, model: str, tools: Tools, size: int) -> None:
    """Some more candidates, screened and scored."""
    completion = await sampled(trip, model, tools, size)
    before, choices = trip.candidates, [*trip.completion.get("choices", ()), *completion["choices"]]
    told = usage_in(completion)
    spent = Usage(max(trip.usage.prompt, told.prompt), trip.usage.completion + told.completion)
    keep_choices(trip, choices, spent, around=completion)
    # What guards and rewards have said of the earlier ones stays.
    trip.candidates = (
        tuple(
            replace(fresh, screening=old.screening, reward=old.reward, logprobs=old.logprobs)
            for fresh, old in zip(trip.candidates, before, strict=False)
        )
        + trip.candidates[len(before) :]
    )
    await screen_candidates(trip)
    if not any("reward:" in each for each in trip.degraded):
        await score(trip, tools)


async def sampled(trip: Trip, model: str, tools: Tools, size: int) -> Json:
    """One call to the engine for so many candidates; of a seed every wave gets one of its own."""
    body = {
        name: value
        for name, value in engine_body(trip, model).items()
        if name not in ("n", "stream", "stream_options")
    }
    if size > 1:
        body["n"] = size
    if isinstance(seed := body.get("seed"), int):
        body["seed"] = seed + len(trip.candidates)
    with trip.stage("engine"):
        try:
            with Limit(trip.seconds_left):
                completion = await tools.engine.complete(body, trip.ask.kind, trip.affinity)
        except TimeoutError:
            raise EngineTimedOut("the engine did not answer within the request's deadline") from None
    choices_in(completion, size)
    return completion
