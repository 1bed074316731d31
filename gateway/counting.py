"""How long a conversation is to the model that would answer it, by its engine's own tokenizer and chat template.

Nothing is sampled and no model reads it: so no guard does, nothing is charged and nothing recorded.
"""

from typing import Any

from gateway import media
from gateway.clock import Limit
from gateway.engines.contract import EngineFailed, EngineRefused, EngineTimedOut
from gateway.errors import NotFound
from gateway.failures import told
from gateway.pipeline import choose_version
from gateway.tools import Tools
from gateway.trip import Trip

Json = dict[str, Any]
# Of a request, what a chat template makes tokens of.
COUNTED = ("messages", "tools", "add_generation_prompt", "continue_final_message")


async def count(trip: Trip, tools: Tools) -> int:
    """The tokens of a request's conversation; raises ApiError, NotFound where its engine cannot tell."""
    media.unread_in(trip.body["messages"], tools.settings.limits.part_urls)  # an engine fetches addresses
    model = choose_version(trip, tools)
    asked = {"model": model, **{name: trip.body[name] for name in COUNTED if name in trip.body}}
    try:
        return await counted(asked, trip, tools)
    except EngineRefused as error:
        if not error.no_such_route:
            raise told(error) from error
        message = f"the engine of the model {trip.ask.alias[:200]!r} counts no tokens"
        raise NotFound(message, param="model", code="not_supported") from error
    except EngineFailed as error:
        raise told(error) from error


async def counted(asked: Json, trip: Trip, tools: Tools) -> int:
    """The engine's answer; raises EngineFailed."""
    with tools.router.lease(trip.version):
        try:
            with Limit(trip.seconds_left):
                return await tools.engine.count(asked)
        except TimeoutError:
            raise EngineTimedOut("the engine did not answer within the request's deadline") from None
