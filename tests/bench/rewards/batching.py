"""What dynamic batching is worth: 64 clients with answers of mixed lengths, against one candidate at a time.

One model of the pocket reward model's size with one thread, behind the real server on loopback. Speed is compared by
the wall, both ways in turns, and by processor time beside it; waits are by the wall, beside an ideal in the same run.
"""

import asyncio
import random
import statistics
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from rewardserve.app import create_app
from rewardserve.client import RewardClient
from rewardserve.scorer import Message, ModelSpec
from rewardserve.scorers.transformers import TransformersScorer, load
from rewardserve.settings import RewardSettings
from tests.bench.figures import Figure, text_of
from tests.bench.rewards.prefix import POCKET
from tests.fakes.tiny_reward import make_tiny_reward
from tests.serving import serving_opened

CLIENTS, EACH, ROUNDS, N = 64, 2, 3, 8
WORDS = (
    "Take",
    "flour,",
    "water",
    "and",
    "salt,",
    "knead",
    "it",
    "well,",
    "how",
    "do",
    "I",
    "bake",
    "bread?",
)
Question = tuple[list[dict[str, str]], list[str]]


def measure(tell: Callable[[str], None]) -> list[Figure]:
    """Padding, waits and speed under 64 clients."""
    with tempfile.TemporaryDirectory() as folder:
        scorer = load(ModelSpec(str(make_tiny_reward(Path(folder), **POCKET)), cpu_threads=1))
        tell(f"{CLIENTS} clients with {EACH} questions each, {ROUNDS} rounds, beside one at a time")
        return asyncio.run(compare(scorer, tell))


async def compare(scorer: TransformersScorer, tell: Callable[[str], None]) -> list[Figure]:
    """Both ways in turns."""
    asked = questions()
    gains, busy, waits, padding = [], [], [], []
    for _ in range(ROUNDS):
        one_by_one = await seconds_of(scorer, RewardSettings(batch_items=1, queue_items=10_000), asked, 1)
        crowd = await seconds_of(scorer, RewardSettings(), asked, CLIENTS)
        gains.append(one_by_one.seconds / crowd.seconds)
        busy.append(one_by_one.busy / crowd.busy)
        waits.append(percentile(crowd.waits, 0.99) / ideal(scorer, asked))
        padding.append(crowd.padding)
        tell(f"speed {gains[-1]:.2f} ×, p99 {waits[-1]:.2f} of the ideal, padding {padding[-1]:.1%}")
    return [*figures(gains, busy, waits, padding)]


def figures(
    gains: Sequence[float], busy: Sequence[float], waits: Sequence[float], padding: Sequence[float]
) -> Iterator[Figure]:
    how = f"{CLIENTS} clients, {N} answers of 5 to 60 words to conversations of 20 to 240; median of {ROUNDS}"
    yield Figure("padding", statistics.median(padding) * 100, "%", f"of tokens read; {how}", 15)
    told = f"p99 of a question over the time of all {CLIENTS} in one ideal call of the model; {how}"
    yield Figure("p99_over_ideal", statistics.median(waits), "×", told, 2)
    told = f"questions a second in batches over those one candidate at a time; {how}"
    yield Figure("throughput_over_single", statistics.median(gains), "×", told, 3, at_most=False)
    told = f"processor time of one candidate at a time over that of batches; {how}"
    yield Figure("processor_time_over_single", statistics.median(busy), "×", told)


def questions() -> list[Question]:
    """Each client's, of lengths drawn evenly."""
    rng = random.Random(7)
    return [
        ([{"role": "user", "content": words(rng, 20, 240)}], [words(rng, 5, 60) for _ in range(N)])
        for _ in range(CLIENTS)
    ]


def words(rng: random.Random, least: int, most: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))


class Seen:
    """What one crowd saw."""

    def __init__(self) -> None:
        self.busy = 0.0
        self.seconds = 0.0
        self.waits: list[float] = []
        self.padding = 0.0


async def seconds_of(
    scorer: TransformersScorer, settings: RewardSettings, asked: Sequence[Question], clients: int
) -> Seen:
    """The processor time that so many clients cost, how long each question took, and how much was padding."""
    seen = Seen()
    with serving(scorer, settings) as (url, app):
        async with RewardClient(url, timeout_seconds=300) as client:
            await client.score(*asked[0])
            queue = list(asked) * EACH
            started, began = process_time(), perf_counter()
            await asyncio.gather(*(ask(client, queue, seen.waits) for _ in range(clients)))
            seen.busy, seen.seconds = process_time() - started, perf_counter() - began
        seen.padding = padding_of(app)
    return seen


async def ask(client: RewardClient, queue: list[Question], waits: list[float]) -> None:
    """One client: the next question as soon as the last is answered."""
    while queue:
        messages, candidates = queue.pop()
        started = perf_counter()
        await client.score(messages, candidates)
        waits.append(perf_counter() - started)


@contextmanager
def serving(scorer: TransformersScorer, settings: RewardSettings) -> Iterator[tuple[str, Any]]:
    app = create_app(scorer, settings)

    @asynccontextmanager
    async def opening() -> AsyncIterator[Any]:
        async with app.router.lifespan_context(app):
            yield app

    with serving_opened(opening) as server:
        yield server.url, app


def padding_of(app: Any) -> float:
    """The share of padding in all tokens that were read, by the server's own metric."""
    registry = app.state.metrics.registry
    read, padding = (
        registry.get_sample_value("trimtab_reward_tokens_total", {"kind": kind})
        for kind in ("read", "padding")
    )
    return float(padding / (read + padding))


def ideal(scorer: TransformersScorer, asked: Sequence[Question]) -> float:
    """Seconds for all clients' questions at once, without server, queue or clients."""
    items = [
        item
        for turns, candidates in asked
        for item in scorer.prepare([Message(turn["role"], turn["content"]) for turn in turns], candidates)
    ]
    started = perf_counter()
    scorer.score(items)
    return perf_counter() - started


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


if __name__ == "__main__":
    print(text_of(measure(print)))  # noqa: T201
