"""The journey of an embedding, whose answer holds no text: what goes in is all that guards can read.

    screen the texts → choose the engine → ask it → record

A vector cannot say no, so a refused text is an error whatever shape the policy gives its refusals. Only flagged
requests are recorded: the others teach nothing, and whole libraries are embedded.
"""

from base64 import b64decode
from typing import Any, Protocol

from gateway import parts
from gateway.clock import Limit
from gateway.engines.contract import Body, EngineFailed, EngineRefused, EngineTimedOut
from gateway.errors import NotFound, no_such_model
from gateway.failures import violation
from gateway.pipeline import Remembered, choose_version, screen_prompt
from gateway.reply import explanation_of, may_leave, usage_of
from gateway.sampling import usage_in
from gateway.textless import textless
from gateway.tools import Tools
from gateway.trip import Trip

Json = dict[str, Any]
NUMBERS = {int, float}  # of which most vectors are nothing but


class Embeds(Protocol):
    """Whoever can be asked for vectors: one engine, or several that take turns."""

    async def embed(self, body: Body) -> Json:
        """The vectors of some texts, in OpenAI's shape; raises EngineFailed."""
        ...


async def embed(trip: Trip, tools: Tools) -> Json:
    """The vectors of a request's texts, in OpenAI's shape; raises ApiError, a Violation where a text is refused."""
    async with Remembered(trip, tools):
        await screen_prompt(trip, tools)
        if trip.refused:
            raise violation(trip.prompt)
        trip.completion = await vectors(trip, tools)
        trip.usage = usage_in(trip.completion)
        body = body_of(trip)
    if trip.ask.explain:
        body["alignment"] = explanation_of(trip)
    return body


async def vectors(trip: Trip, tools: Tools) -> parts.Json:
    """The answer of whichever engine the model's name leads to; raises NotFound and EngineFailed."""
    if tools.embedder is not None:
        model = tools.embedder.models.get(trip.ask.alias)
        if model is None:
            raise no_such_model(trip.ask.alias)
        return await asked(tools.embedder.engine, model, trip)
    model = choose_version(trip, tools)
    with tools.router.lease(trip.version):
        return await asked(tools.engine, model, trip)


async def asked(engine: Embeds, model: str, trip: Trip) -> parts.Json:
    """One call to an engine; raises NotFound where its model makes no vectors, and EngineFailed."""
    with trip.stage("engine"):
        try:
            with Limit(trip.seconds_left):
                return await engine.embed(engine_body(trip, model))
        except TimeoutError:
            raise EngineTimedOut("the engine did not answer within the request's deadline") from None
        except EngineRefused as error:
            if not error.no_such_route:
                raise
            model_name = repr(trip.ask.alias[:200])
            told = f"the model {model_name} makes no embeddings here; `embeddings` of trimtab.yaml names some"
            raise NotFound(told, param="model", code="model_not_found") from error


def engine_body(trip: Trip, model: str) -> Json:
    """The request as the engine gets it: the client's own, its texts as they may go on."""
    rest = {name: value for name, value in trip.body.items() if name != "messages"}
    return {**rest, "model": model, "input": [message["content"] for message in trip.body["messages"]]}


def body_of(trip: Trip) -> Json:
    """The engine's answer under the name that the client asked for; raises EngineFailed where a vector is missing."""
    told = trip.completion
    try:
        data = [vector_of(each, trip) for each in told["data"]]
    except (KeyError, TypeError):
        raise EngineFailed("the engine's answer is no list of embeddings") from None
    expected = len(trip.body["messages"])
    if len(data) != expected:
        raise EngineFailed(f"the engine gave {len(data)} embeddings where {expected} were asked for")
    needed = {"object": "list", "data": data, "model": trip.ask.alias, "usage": spent_on(trip)}
    ours = {"id": f"embd-{trip.ask.id}", **needed}
    body = {
        name: ours.get(name, value)
        for name, value in told.items()
        if name in ours or may_leave(trip, name, value)
    }
    return body | {name: value for name, value in needed.items() if name not in told}


def spent_on(trip: Trip) -> Json:
    """The engine's own account of its tokens, or what is known of them where it gave none."""
    if trip.completion.get("usage"):
        return usage_of(trip)
    return {"prompt_tokens": trip.usage.prompt, "total_tokens": trip.usage.total}


def vector_of(each: parts.Json, trip: Trip) -> Json:
    """One embedding as the engine gave it, but for texts; raises TypeError where its place or its numbers are none."""
    if not isinstance(each["index"], int) or not is_vector(each["embedding"]):
        raise TypeError("no vector")
    ours = {"object": "embedding", "index": each["index"], "embedding": each["embedding"]}
    told = {
        name: ours.get(name, value)
        for name, value in each.items()
        if name in ours or may_leave(trip, name, value)
    }
    return told if "object" in told else ours


def is_vector(told: Any) -> bool:
    """Whether these are numbers, plain or in base64, in which no sentence can stand."""
    if isinstance(told, str):
        try:
            return bool(b64decode(told, validate=True))
        except ValueError:
            return False
    return isinstance(told, list) and (set(map(type, told)) <= NUMBERS or textless(told))
