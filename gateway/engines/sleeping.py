"""How an engine gives its memory up and takes it back, in vLLM's dialect of its development mode.

Level 1 keeps the weights in the host's memory; what was computed is forgotten. Level 2, which drops the weights too, is
not for this: unless they are read again it answers nonsense once awake, without a word of warning (vLLM issue 29341).
"""

from gateway.engines.contract import Engine, EngineFailed
from gateway.engines.reloading import ORDER_SECONDS, PROBE, refuse_unanswered

WAKE_SECONDS = 120.0


async def asleep(engine: Engine, level: int, seconds: float) -> None:
    """Put it to sleep once it answers nobody; raises EngineFailed."""
    await engine.operate(f"/sleep?level={level}&mode=wait", {}, seconds + ORDER_SECONDS)
    if not (await engine.operate("/is_sleeping", None, ORDER_SECONDS)).get("is_sleeping"):
        raise EngineFailed("it says that it does not sleep; was it started with --enable-sleep-mode?")


async def awake(engine: Engine, model: str) -> None:
    """Wake it and have it answer; one that is awake stays so. Raises EngineFailed."""
    if (await engine.operate("/is_sleeping", None, ORDER_SECONDS)).get("is_sleeping"):
        await engine.operate("/wake_up", {}, WAKE_SECONDS)
        await engine.operate("/reset_prefix_cache", {}, ORDER_SECONDS)
    refuse_unanswered(await engine.complete({"model": model, **PROBE}))
