"""How a managed engine's weights are replaced, in vLLM's dialect of its development mode.

What it holds is written on the engine itself, as its weight version: nobody who finds it half way can take it for
whole. Before anything is touched it is named SWAPPING, afterwards by what it now holds, and LOST once a reload has
failed: its weights were emptied, which its health check does not tell. An engine that starts anew says AS_STARTED.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway.engines.contract import Body, Engine, EngineFailed

AS_STARTED = "default"  # vLLM's own word: the weights that it was started with
SWAPPING, LOST = "swapping", "lost"
LOOK_SECONDS, ORDER_SECONDS = 5.0, 30.0
RESETS = 3  # tries to forget what was computed with the weights before
RESUMES = 5
# Of two tokens the first proves that it reads, the second that it goes on; each more would wait for a step under load.
PROBE: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Hello."}],
    "max_tokens": 2,
    "temperature": 0.0,
}
log = logging.getLogger(__name__)


class NotPaused(EngineFailed):
    """The engine did not come to rest in time; it holds what it held."""


class WeightsLost(EngineFailed):
    """A reload failed: what the engine holds now is of no use, and only a restart helps."""


@dataclass(frozen=True, slots=True)
class Reload:
    """What to load, under which name, and how long the engine may take to finish its requests and to read."""

    before: str  # what it holds, and holds still when it cannot be paused
    version: str
    path: str
    model: str  # the name that the engine serves its base model under
    seconds: float


async def held(engine: Engine) -> str | None:
    """The name of the weights that an engine holds; None when they are none to use. Raises EngineFailed."""
    told = (await engine.operate("/weight_info", None, LOOK_SECONDS)).get("weight_version")
    return told if isinstance(told, str) and told not in (SWAPPING, LOST) else None


async def lost(engine: Engine) -> bool:
    """Whether an engine is known to need a restart."""
    try:
        return (await engine.operate("/weight_info", None, LOOK_SECONDS)).get("weight_version") == LOST
    except EngineFailed:
        return False


async def started_with(engine: Engine, model: str) -> str:
    """Where the weights lie that an engine was started with; raises EngineFailed."""
    listed = (await engine.operate("/v1/models", None, LOOK_SECONDS)).get("data") or ()
    for card in listed:
        if card.get("id") == model and card.get("root"):
            return str(card["root"])
    raise EngineFailed(f"the engine does not tell where the weights of {model!r} lie")


async def reload(engine: Engine, wanted: Reload) -> None:
    """Replace an engine's weights while it answers nobody; raises WeightsLost, or EngineFailed before any harm.

    Whatever happens, it is not left paused.
    """
    await _name(engine, SWAPPING)
    try:
        await _paused(engine, wanted)
        try:
            await engine.operate("/collective_rpc", order_of(wanted), wanted.seconds)
            await _forget_computed(engine)
        finally:
            await asyncio.shield(resumed(engine))
        refuse_unanswered(await engine.complete({"model": wanted.model, **PROBE}))
    except NotPaused:
        await _name(engine, wanted.before)
        raise
    except EngineFailed as error:
        await _give_up(engine, wanted.model)
        raise WeightsLost(f"the weights could not be loaded: {error}") from error
    await _name(engine, wanted.version)


async def resumed(engine: Engine) -> bool:
    """Let an engine answer again, trying several times; whether it does."""
    for tried in range(RESUMES):
        with suppress(EngineFailed):
            await engine.operate("/resume", {}, ORDER_SECONDS)
            return True
        await asyncio.sleep(0.2 * 2**tried)
    log.error("an engine that was paused cannot be resumed; it answers nobody")
    return False


def order_of(wanted: Reload) -> dict[str, Any]:
    """What an engine's worker is told to do."""
    return {"method": "reload_weights", "kwargs": {"weights_path": wanted.path}}


def refuse_unanswered(answer: Body) -> None:
    """Raises EngineFailed unless a completion has a choice that ended."""
    choices = answer.get("choices") or ()
    if not choices or not choices[0].get("finish_reason"):
        raise EngineFailed("the engine's answer to a probe has no end")


async def _paused(engine: Engine, wanted: Reload) -> None:
    try:
        await engine.operate("/pause?mode=wait", {}, wanted.seconds)
    except EngineFailed as error:
        await asyncio.shield(resumed(engine))
        raise NotPaused(f"the engine was not paused: {error}") from error


async def _give_up(engine: Engine, model: str) -> None:
    """Mark an engine as lost. One more request lets vLLM see for itself that it is, and end, to be started again."""
    with suppress(EngineFailed):
        await _name(engine, LOST)
        await engine.complete({"model": model, **PROBE})


async def _forget_computed(engine: Engine) -> None:
    """Empty the prefix cache, whose keys and values are the old weights'; raises WeightsLost when it stays."""
    order = "/reset_prefix_cache"
    for _ in range(RESETS):
        if (await engine.operate(order, {}, ORDER_SECONDS)).get("success"):
            return
        order = "/reset_prefix_cache?reset_running_requests=true&reset_external=true"
        await asyncio.sleep(0.1)
    raise WeightsLost("the prefix cache keeps what the weights before computed")


async def _name(engine: Engine, version: str) -> None:
    await engine.operate("/update_weight_version", {"new_version": version}, ORDER_SECONDS)
