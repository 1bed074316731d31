"""How candidates come about, one file for each way."""

from collections.abc import Awaitable, Callable, Mapping

from gateway.gathering.blocks import blocks
from gateway.gathering.rejection import rejection
from gateway.gathering.together import together
from gateway.gathering.waves import waves
from gateway.strategies import STRATEGIES
from gateway.strategies.contract import Gathers
from gateway.tools import Tools
from gateway.trip import Trip

WAYS: Mapping[Gathers, Callable[[Trip, str, Tools], Awaitable[None]]] = {
    "together": together,
    "waves": waves,
    "rejection": rejection,
    "blocks": blocks,
}


async def gather(trip: Trip, model: str, tools: Tools) -> None:
    """Sample candidates as the strategy wants, and show every text of each to the guards."""
    await WAYS[STRATEGIES[trip.ask.strategy].gathers](trip, model, tools)
