"""What batching and prefix sharing are worth, each as a ratio of two ways measured in turns in one run.

Processor time is compared, so that other work on the machine does not show. The model has the pocket
reward model's size, random weights and one thread; the server is real, on loopback.
"""

import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import process_time
from typing import Any

from rewardserve.app import create_app
from rewardserve.client import RewardClient
from rewardserve.scorer import Measured, Message, ModelSpec, Scorer, load_scorer
from rewardserve.settings import RewardSettings
from tests.fakes.tiny_reward import make_tiny_reward
from tests.serving import serving_opened

ROUNDS, CALLERS, N = 5, 16, 4
SIZE = {"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 4, "num_attention_heads": 4}
ASKED = "How do I bake bread? "
ANSWERS = ["Take flour, water and salt, and knead it well. " * times for times in (1, 2, 2, 3)]


async def run() -> dict[str, Any]:
    """Ratios above 1 are gains; each is a median over rounds, with the smallest and the largest beside it."""
    with tempfile.TemporaryDirectory() as folder:
        make_tiny_reward(Path(folder), **SIZE)
        batching = await compare_batching(folder)
        sharing = {
            f"prompt_{times * 6}_tokens_n_16": await compare_sharing(folder, times) for times in (10, 60)
        }
    return {"batched_over_one_by_one": batching, "shared_prefix_over_plain": sharing}


async def compare_batching(folder: str) -> dict[str, float]:
    """Requests per second of a server that batches, over one that scores one candidate at a time."""
    scorer = load_scorer("transformers", ModelSpec(folder, cpu_threads=1, prefix_sharing=False))
    batched = RewardSettings()
    alone = RewardSettings(batch_items=1)
    return await ratio(lambda: crowd(scorer, alone), lambda: crowd(scorer, batched))


async def crowd(scorer: Scorer[Measured], settings: RewardSettings) -> float:
    """Processor seconds until 16 concurrent callers have had three answers each."""
    app = create_app(scorer, settings)

    @asynccontextmanager
    async def opening() -> AsyncIterator[Any]:
        async with app.router.lifespan_context(app):
            yield app

    with serving_opened(opening) as server:
        async with RewardClient(server.url, timeout_seconds=120) as client:
            await caller(client)
            started = process_time()
            await asyncio.gather(*(caller(client) for _ in range(CALLERS)))
            return process_time() - started


async def caller(client: RewardClient) -> None:
    for _ in range(3):
        await client.score([{"role": "user", "content": ASKED}], ANSWERS[:N])


async def compare_sharing(folder: str, times: int) -> dict[str, float]:
    """Time of 16 candidates scored plainly, over their time when the prompt is run once."""
    plain = load_scorer("transformers", ModelSpec(folder, cpu_threads=1, prefix_sharing=False))
    shared = load_scorer("transformers", ModelSpec(folder, cpu_threads=1))
    return await ratio(lambda: sixteen(plain, times), lambda: sixteen(shared, times))


async def sixteen(scorer: Scorer[Measured], times: int) -> float:
    """Processor seconds for one batch of 16 candidates of a conversation."""
    items = scorer.prepare([Message("user", ASKED * times)], ANSWERS * 4)
    started = process_time()
    scorer.score(items)
    return process_time() - started


async def ratio(
    slow: Callable[[], Awaitable[float]], fast: Callable[[], Awaitable[float]]
) -> dict[str, float]:
    """The time of one way over that of the other, measured in turns after a warm-up."""
    await slow()
    await fast()
    found = sorted([await slow() / await fast() for _ in range(ROUNDS)])
    return {"median": statistics.median(found), "least": found[0], "most": found[-1]}
