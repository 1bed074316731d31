"""The journey of a chat completion, top to bottom; its key was authenticated and its body bounded before.

    screen the prompt → choose a version → sample → screen every candidate → score → choose → deliver → record

A streamed answer takes the same way until it is sampled, and goes on in stream.py.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from gateway import parts, reply
from gateway.accounts import account
from gateway.ask import Ask
from gateway.callers import MAY_SEE_VERSIONS
from gateway.engines.contract import EngineFailed, EngineTimedOut
from gateway.errors import ApiError, NotFound, Unavailable, UpstreamFailed
from gateway.exchange import Candidate, Usage
from gateway.failures import Violation, told, violation
from gateway.ledger.contract import LedgerFull
from gateway.strategies import STRATEGIES
from gateway.tools import Rewards, Tools
from gateway.trip import Trip
from guards.verdict import Screening
from rewardserve.client import RewardFailed

Json = dict[str, Any]


async def answer(trip: Trip, tools: Tools) -> Json:
    """Answer one chat completion, whole, and remember how it was answered; raises ApiError."""
    async with remembered(trip, tools):
        await screen_prompt(trip, tools)
        if not trip.refused:
            model = choose_version(trip, tools)
            with tools.router.lease(trip.version):
                await sample(trip, model, tools)
            await screen_candidates(trip)
            await score(trip, tools)
            choose(trip)
        choices = deliver(trip)
    return reply.body_of(trip, choices)


async def screen_prompt(trip: Trip, tools: Tools) -> None:
    """Show every text of the request to the guards, and cut out of it what the policy redacts."""
    found = parts.of_prompt(trip.body, tools.settings.limits.max_texts)
    trip.context = parts.turns(trip.body)
    with trip.stage("screen_prompt"):
        trip.prompt = await trip.screen.prompt([part.segment for part in found], trip.context)
    trip.body = parts.put_back(trip.body, found, trip.prompt.segments)
    note_failed_guards(trip, trip.prompt)


def choose_version(trip: Trip, tools: Tools) -> str:
    """Bind the trip to one version, and return the engine's name for it; raises NotFound."""
    ask, routes = trip.ask, tools.router.current
    version = routes.choose(ask.alias, sticky_key(ask))
    if version is None and ask.caller.role in MAY_SEE_VERSIONS and ask.alias in routes.models:
        version = ask.alias
    if version is None:
        raise NotFound(f"there is no model {ask.alias[:200]!r}", param="model", code="model_not_found")
    trip.version = version
    return routes.models[version]


def sticky_key(ask: Ask) -> str:
    """What keeps a conversation on its version: its name, or else its owner and how it began."""
    if ask.conversation is not None:
        return f"{ask.caller.id}\0{ask.conversation}"
    opening = []
    for message in ask.body["messages"]:
        opening.append(parts.text_of(message.get("content")))
        if message["role"] == "user":
            break
    return "\0".join((ask.caller.id, *opening))


async def sample(trip: Trip, model: str, tools: Tools) -> None:
    """One call to the engine for all candidates."""
    body = engine_body(trip, model)
    body.pop("stream", None)  # an answer that must be whole before it is chosen is asked for whole
    body.pop("stream_options", None)
    with trip.stage("engine"):
        try:
            async with asyncio.timeout(trip.seconds_left):
                trip.completion = await tools.engine.complete(body)
        except TimeoutError:
            raise EngineTimedOut("the engine did not answer within the request's deadline") from None
    trip.usage = usage_in(trip.completion)
    trip.candidates = candidates_in(trip.completion, trip.ask.samples)


def engine_body(trip: Trip, model: str) -> Json:
    """The request as the engine gets it: the client's own, on the version's name, with n candidates."""
    body = {**trip.body, "model": model}
    if trip.ask.samples > 1:
        body["n"] = trip.ask.samples
    return body


def candidates_in(completion: parts.Json, expected: int) -> tuple[Candidate, ...]:
    """The candidates of an engine's answer; raises EngineFailed when it is none, or Unscannable."""
    try:
        choices = completion["choices"]
        found = tuple(_candidate(index, choice) for index, choice in enumerate(choices))
    except (KeyError, TypeError, AttributeError):
        raise EngineFailed("the engine's answer is no chat completion") from None
    if len(found) != expected:
        raise EngineFailed(f"the engine gave {len(found)} choices where {expected} were asked for")
    return found


def _candidate(index: int, choice: parts.Json) -> Candidate:
    parts.check_choice(choice)
    message, tokens = choice["message"], choice.get("token_ids")
    return Candidate(
        index=index,
        text=message.get("content") or "",
        message=message,
        finish_reason=choice.get("finish_reason") or "stop",
        tokens=len(tokens) if tokens else 0,
        logprobs=choice.get("logprobs"),
    )


def usage_in(completion: parts.Json) -> Usage:
    """The tokens that the engine says it spent."""
    usage = completion.get("usage") or {}
    counts = (usage.get(name) for name in ("prompt_tokens", "completion_tokens"))
    return Usage(*(count if isinstance(count, int) else 0 for count in counts))


async def screen_candidates(trip: Trip) -> None:
    """Show every text of every candidate to the guards, all candidates at once."""
    with trip.stage("screen_candidates"):
        if len(trip.candidates) == 1:
            trip.candidates = (await screened(trip.candidates[0], trip),)
        else:
            trip.candidates = tuple(
                await asyncio.gather(*(screened(candidate, trip) for candidate in trip.candidates))
            )


async def screened(candidate: Candidate, trip: Trip) -> Candidate:
    """The candidate with what the guards made of it; raises Unscannable."""
    found = parts.of_reply(candidate.message)
    screening = await trip.screen.reply([part.segment for part in found], trip.context)
    note_failed_guards(trip, screening)
    return replace(candidate, screening=screening)


def note_failed_guards(trip: Trip, screening: Screening) -> None:
    """A guard that failed leaves its mark: whether it let pass or refused, the answer is not what it might be."""
    for failure in screening.failures:
        mark = f"guard {failure.guard}: failed {'closed' if failure.action.withholds else 'open'}"
        if mark not in trip.degraded:
            trip.degraded.append(mark)


async def score(trip: Trip, tools: Tools) -> None:
    """Ask for the rewards of all safe candidates where the strategy ranks; without them, say so and go on."""
    safe = [candidate for candidate in trip.candidates if candidate.safe]
    if not safe or tools.rewards is None or not STRATEGIES[trip.ask.strategy].ranks:
        return
    with trip.stage("reward"):
        try:
            rewards = await rewards_of(safe, trip, tools.rewards, tools.settings.reward.timeout_seconds)
        except (RewardFailed, TimeoutError):
            trip.degraded.append("reward: unavailable; first safe candidate")
            return
    if len(rewards) != len(safe) or not all(map(math.isfinite, rewards)):
        trip.degraded.append("reward: garbage; first safe candidate")
        return
    scored = {each.index: reward for each, reward in zip(safe, rewards, strict=True)}
    trip.candidates = tuple(replace(each, reward=scored.get(each.index)) for each in trip.candidates)


async def rewards_of(
    safe: list[Candidate], trip: Trip, rewards: Rewards, patience_seconds: float
) -> list[float]:
    """One reward for each candidate, as it would be delivered; raises RewardFailed or TimeoutError."""
    seconds = min(patience_seconds, trip.seconds_left)
    texts = [text_to_score(each) for each in safe]
    async with asyncio.timeout(seconds):
        return await rewards.score(trip.body["messages"], texts, deadline_seconds=max(seconds, 0.001))


def text_to_score(candidate: Candidate) -> str:
    """The candidate's content as it would be delivered; its tool calls, when it says nothing else."""
    segments = candidate.screening.segments if candidate.screening else ()
    content = [segment.text for segment in segments if segment.part == "content"]
    return "".join(content or [segment.text for segment in segments])


def choose(trip: Trip) -> None:
    """Let the strategy name the winners among what may be delivered."""
    trip.choice = STRATEGIES[trip.ask.strategy].choose(trip.candidates, trip.ask.returned)


def deliver(trip: Trip) -> list[Json]:
    """The choices as they go out, and their receipt; raises ApiError where the policy wants an error."""
    choices = reply.choices_of(trip)
    if trip.refused and trip.screen.policy.refusal.shape == "error":
        raise violation(next(withheld_by(trip), None))
    for candidate in trip.chosen:
        if candidate.safe and candidate.screening is not None:
            said = [part.segment for part in parts.of_reply(candidate.message)]
            trip.receipt.screened(said, candidate.screening)
    for choice in choices:
        trip.receipt.delivered(reply.delivered_text(choice))
    trip.delivered = tuple(parts.text_of(choice["message"].get("content")) for choice in choices)
    return choices


def withheld_by(trip: Trip) -> Iterator[Screening]:
    """The screenings that withheld something, the prompt's first."""
    screenings = (trip.prompt, *(candidate.screening for candidate in trip.candidates))
    return (each for each in screenings if each is not None and each.withheld)


@asynccontextmanager
async def remembered(trip: Trip, tools: Tools) -> AsyncIterator[None]:
    """Record the trip however it ends, before its last byte; foreign failures leave as ApiError."""
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit):
        trip.error = "client left"
        raise
    except EngineFailed as error:
        trip.error = type(error).__name__
        raise told(error) from error
    except parts.Unscannable as error:
        trip.error = f"unscanned: {error}"
        raise UpstreamFailed(f"the engine's reply has a part that no guard reads: {error}") from error
    except Violation:
        raise
    except ApiError as error:
        trip.error = error.code or type(error).__name__
        raise
    finally:
        await record(trip, tools)


async def record(trip: Trip, tools: Tools) -> None:
    """Hand the exchange to the ledger; returns once a flagged one is durable, raises if it cannot be."""
    exchange = trip.exchange()
    try:
        with trip.stage("record"):
            # Of what failed, only what was flagged teaches anything.
            if exchange.flagged or not exchange.error:
                await tools.recorder.record(exchange)
    except LedgerFull as error:
        message = "this exchange must be recorded and cannot be; try again later"
        raise Unavailable(message, code="ledger_full") from error
    finally:
        account(trip, tools.metrics)  # after the stage has ended, so that it is counted too
