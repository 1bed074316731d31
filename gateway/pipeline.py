"""The journey of a chat completion, top to bottom; its key was authenticated and its body bounded before.

    screen the prompt → choose a version → gather candidates, screened → revise → score → choose
      → read the choices on from one another → deliver → record

A streamed answer takes the same way until it is sampled, and goes on in stream.py.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any

from gateway import media, parts, reply
from gateway.accounts import account
from gateway.additions import with_additions
from gateway.ask import Ask
from gateway.callers import MAY_SEE_VERSIONS
from gateway.engines.contract import EngineFailed, EngineTimedOut
from gateway.errors import ApiError, Unavailable, UpstreamFailed, UpstreamTimedOut, no_such_model
from gateway.exchange import EMBEDDING
from gateway.failures import Violation, told, violation
from gateway.gathering import gather
from gateway.ledger.contract import LedgerFull
from gateway.receipt import Receipt
from gateway.restoring import restored_body
from gateway.revision import revise, revised
from gateway.scoring import score
from gateway.screening import note_failed_guards, read_choices_on
from gateway.sizing import size_by_risk
from gateway.strategies import STRATEGIES
from gateway.tools import Tools
from gateway.trip import CLIENT_LEFT, CUT_OFF, Trip
from guards.verdict import Screening

Json = dict[str, Any]


async def answer(trip: Trip, tools: Tools) -> Json:
    """Answer one chat completion, whole, and remember how it was answered; raises ApiError."""
    async with Remembered(trip, tools):
        await screen_prompt(trip, tools)
        if not trip.refused:
            size_by_risk(trip, tools)
            model = choose_version(trip, tools)
            with tools.router.lease(trip.version):
                await gather(trip, model, tools)
                await revise(trip, model, tools)
            await score(trip, tools)
            choose(trip)
            await read_choices_on(trip)
        choices = deliver(trip)
    return restored_body(trip.vault, reply.body_of(trip, choices))


async def screen_prompt(trip: Trip, tools: Tools) -> None:
    """Show every text of the request to the guards, and cut out of it what the policy redacts."""
    found = parts.of_prompt(trip.body, tools.settings.limits.max_texts)
    unread = media.unread_in(trip.body["messages"], tools.settings.limits.part_urls)
    trip.context = parts.turns(trip.body)
    with trip.stage("screen_prompt"):
        trip.prompt = await trip.screen.prompt([part.segment for part in found], trip.context, unread)
    if trip.ask.strategy != EMBEDDING:  # a vector puts nothing back, and is the same for the same text
        trip.prompt = trip.vault.hide(trip.prompt, [part.segment for part in found])
    trip.body = parts.put_back(trip.body, found, trip.prompt.segments)
    if trip.vault:
        trip.context = parts.turns(trip.body)  # a reply is judged in the words that its model was given
    if not trip.prompt.withheld:
        trip.receipt.passed_unread(unread)
    note_failed_guards(trip, trip.prompt)


def choose_version(trip: Trip, tools: Tools) -> str:
    """Bind the trip to one version, and return the engine's name for it; raises NotFound."""
    ask, routes = trip.ask, tools.router.current
    trip.affinity = sticky_key(ask)
    version = routes.choose(ask.alias, trip.affinity)
    if version is None:
        if ask.caller.role not in MAY_SEE_VERSIONS or ask.alias not in routes.models:
            raise no_such_model(ask.alias)
        version = ask.alias
    trip.version = version
    return routes.models[version]


def sticky_key(ask: Ask) -> str:
    """What keeps a conversation on its version and its replica: its name, or else its owner and how it began."""
    if ask.conversation is not None:
        return f"{ask.caller.id}\0{ask.conversation}"
    opening = []
    for message in ask.body["messages"]:
        opening.append(parts.text_of(message.get("content")))
        if message["role"] == "user":
            break
    return "\0".join((ask.caller.id, *opening))


def choose(trip: Trip) -> None:
    """Let the strategy name the winners among what may be delivered."""
    strategy = STRATEGIES[trip.instead or trip.ask.strategy]
    choice = strategy.choose(trip.candidates, trip.ask.returned, trip.ask.knobs)
    if trip.gathered:
        choice = replace(choice, why=f"{choice.why} {trip.gathered}")
    trip.choice = revised(choice, trip)


def deliver(trip: Trip) -> list[Json]:
    """The choices as they go out, and their receipt; raises ApiError where the policy wants an error."""
    if trip.refused and trip.screen.policy.refusal.shape == "error":
        raise violation(next(withheld_by(trip), None))
    choices = reply.choices_of(trip)
    for candidate, choice in zip(trip.chosen, choices, strict=False):
        if candidate.safe and candidate.screening is not None:
            account_for(candidate.message, choice["message"], candidate.screening, trip.receipt)
    if trip.screen.policy.document.additions:
        choices = with_additions(choices, trip)
    trip.delivered = tuple(parts.text_of(choice["message"].get("content")) for choice in choices)
    return choices


def account_for(said: parts.Json, told: parts.Json, screening: Screening, receipt: Receipt) -> None:
    """Note in the receipt what an engine said, as it was screened, and what of it the client is told."""
    cut = any(screening.redactions)
    segments = [part.segment for part in parts.of_reply(said)] if cut else screening.segments
    receipt.screened(segments, screening)
    receipt.passed_unread(screening.unscanned)
    delivered = segments if told is said else [part.segment for part in parts.of_reply(told)]
    receipt.delivered("".join(segment.text for segment in delivered))


def withheld_by(trip: Trip) -> Iterator[Screening]:
    """The screenings that withheld something, the prompt's first."""
    screenings = (trip.prompt, *(candidate.screening for candidate in trip.candidates))
    return (each for each in screenings if each is not None and each.withheld)


class Remembered:
    """Records the trip however it ends, before its last byte; foreign failures leave as ApiError."""

    __slots__ = ("_tools", "_trip")

    def __init__(self, trip: Trip, tools: Tools) -> None:
        self._trip = trip
        self._tools = tools

    async def __aenter__(self) -> None:
        """Nothing is remembered until it ends."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        instead = None if error is None else failed(self._trip, error)
        await record(self._trip, self._tools)
        show_to_shadow(self._trip, self._tools)
        self._tools.watching.offer(self._trip)
        if instead is not None:
            raise instead from error


def failed(trip: Trip, error: BaseException) -> ApiError | None:
    """Note how a trip failed; what the client is told in place of an error that is not for it."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        trip.error = CLIENT_LEFT if trip.left else CUT_OFF
    elif isinstance(error, EngineFailed):
        trip.error = type(error).__name__
        if isinstance(error, EngineTimedOut) and trip.ask.deadline_asked:
            return out_of_time(error, trip)
        return told(error, trip.ask.kind)
    elif isinstance(error, parts.Unscannable):
        trip.error = f"unscanned: {error}"
        return UpstreamFailed(f"the engine's reply has a part that no guard reads: {error}")
    elif isinstance(error, ApiError) and not isinstance(error, Violation):
        trip.error = error.code or type(error).__name__
    return None


def out_of_time(error: EngineTimedOut, trip: Trip) -> UpstreamTimedOut:
    """What a client is told whose own deadline has passed: asked again as it stands, the same comes of it."""
    milliseconds = round(1000 * trip.ask.deadline_seconds)
    message = f"no answer was finished within alignment.deadline_ms ({milliseconds}): {error}"
    return UpstreamTimedOut(message, code="engine_timed_out", param="alignment.deadline_ms", retry=False)


async def record(trip: Trip, tools: Tools) -> None:
    """Hand the exchange to the ledger; returns once a flagged one is durable, raises if it cannot be."""
    exchange = trip.exchange()
    try:
        with trip.stage("record"):
            # Of what failed, and of what asked for no answer, only what was flagged teaches anything.
            if exchange.flagged or (exchange.candidates and not exchange.error):
                await tools.recorder.record(exchange)
    except LedgerFull as error:
        message = "this exchange must be recorded and cannot be; try again later"
        raise Unavailable(message, code="ledger_full") from error
    finally:
        account(trip, tools.metrics)  # after the stage has ended, so that it is counted too


def show_to_shadow(trip: Trip, tools: Tools) -> None:
    """Have the shadow policy judge the same texts, where there is one; later, and nothing follows from it."""
    shadow = tools.screens.named.shadow
    if shadow is not None and tools.shadows is not None:
        tools.shadows.offer(trip, shadow)
