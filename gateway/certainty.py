"""Logprobs that a strategy asked for: added to what the engine is asked, weighed, and taken out of what it answered.

A client gets as many of them as it asked for itself. What it does not get is not screened: it never leaves. Only
chats have them: how a bare text goes on is not what a model is sure of.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.engines.contract import Body, EngineRefused
from gateway.exchange import Candidate
from gateway.strategies import STRATEGIES
from gateway.strategies.self_certainty import SelfCertainty, certainty
from gateway.tools import Tools
from gateway.trip import Trip

Json = dict[str, Any]
MOST = "top_logprobs"
NO_LOGPROBS = "self-certainty: the engine gives no logprobs"


async def completed(trip: Trip, body: Json, tools: Tools) -> Json:
    """The engine's answer, with what the strategy needs of it if the engine gives that; raises EngineFailed."""
    extra = wanted(trip.ask.strategy, tools.settings.reward.fallback) if trip.ask.kind == "chat" else {}
    if not extra:
        return await tools.engine.complete(body, trip.ask.kind, trip.affinity)
    try:
        return await tools.engine.complete(asking(body, extra), trip.ask.kind, trip.affinity)
    except EngineRefused as error:
        if "logprobs" not in f"{error.param} {error.message}":
            raise
    trip.degraded.append(NO_LOGPROBS)
    return await tools.engine.complete(body, trip.ask.kind, trip.affinity)


def weigh(trip: Trip) -> None:
    """Note how certain the model was of each candidate, and leave it the logprobs that its client asked for."""
    if trip.ask.kind != "chat":
        return
    trip.candidates = tuple(weighed(each, trip.body) for each in trip.candidates)
    choices = [
        {**choice, "logprobs": as_asked(choice.get("logprobs"), trip.body)}
        if choice.get("logprobs")
        else choice
        for choice in trip.completion["choices"]
    ]
    trip.completion = {**trip.completion, "choices": choices}


def weighed(candidate: Candidate, asked: Body) -> Candidate:
    """The candidate with its certainty, and with the logprobs that were asked for."""
    if not candidate.logprobs:
        return candidate
    sure = certainty([_alternatives(token) for token in _tokens(candidate.logprobs)])
    return replace(candidate, certainty=sure, logprobs=as_asked(candidate.logprobs, asked))


def wanted(strategy: str, fallback: str) -> Mapping[str, Any]:
    """What is asked of an engine beside the client's own fields."""
    own = STRATEGIES[strategy]
    if own.rewarded == "needed" and fallback == "self_certainty":
        return {**own.asks_for, **SelfCertainty.asks_for}
    return own.asks_for


def asking(body: Json, extra: Mapping[str, Any]) -> Json:
    """The body with what is wanted beside; the client's own number of alternatives where that is larger."""
    own = body.get(MOST)
    more = {**extra, MOST: max(own, extra[MOST])} if MOST in extra and isinstance(own, int) else extra
    return {**body, **more}


def as_asked(logprobs: Any, asked: Body) -> Any:
    """Logprobs with as many alternatives as the client asked for; None where it asked for none."""
    if not asked.get("logprobs") or not isinstance(logprobs, dict):
        return None
    most = asked.get(MOST) or 0
    return {
        name: _trimmed(told, most) if name in {"content", "refusal"} else told
        for name, told in logprobs.items()
    }


def _trimmed(tokens: Any, most: int) -> Any:
    if not isinstance(tokens, list):
        return tokens
    return [
        {**token, MOST: token[MOST][:most]} if isinstance(token.get(MOST), list) else token
        for token in tokens
    ]


def _tokens(logprobs: Any) -> Sequence[Mapping[str, Any]]:
    return logprobs.get("content") or () if isinstance(logprobs, dict) else ()


def _alternatives(token: Mapping[str, Any]) -> list[float]:
    told: Iterable[Any] = token.get(MOST) or ()
    found = (one.get("logprob") for one in told if isinstance(one, dict))
    return [float(each) for each in found if isinstance(each, int | float)]
