"""What cutting off bad beginnings saves: `speculative_rejection` against best of 16, on real vLLM on the CPU.

    python -m tests.bench.rewards.rejection --vllm PYTHON [--prompts 60]      PYTHON: of an environment with vLLM

Without vLLM it is measured on the pocket engine, and its figures say so.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.bench.figures import Figure, text_of
from tests.bench.rewards.interval import ratio_interval
from tests.bench.rewards.stack import Stack, ask, questions, reward_in, stack

N = 16
PROMPTS, LEARNT_ON = 60, 6
RUNNING = "vllm:num_requests_running{"
ABORTS = 10
GONE_SECONDS = 2.0


def measure(tell: Callable[[str], None], python: str | None = None, prompts: int = PROMPTS) -> list[Figure]:
    """Tokens saved, the share of the gain that is kept, and how fast losers are aborted."""
    python = python or os.environ.get("TRIMTAB_TEST_VLLM")
    engine = "vLLM on the CPU" if python else "the pocket engine, as no vLLM is here"
    how = f"{prompts} exam prompts, pocket policy and reward model, in stages, on {engine}"
    with (
        tempfile.TemporaryDirectory() as folder,
        stack(Path(folder), python, alignment__rejection__by="stages") as served,
    ):
        single, best, cut, spent = gathered(served, prompts, tell)
        aborted = asyncio.run(aborts(served)) if python else []
    kept = (statistics.fmean(cut) - statistics.fmean(single)) / (
        statistics.fmean(best) - statistics.fmean(single)
    )
    low, high = ratio_interval(
        [after - before for after, before in zip(cut, single, strict=True)],
        [after - before for after, before in zip(best, single, strict=True)],
    )
    told = [
        Figure("rejection_tokens_saved", 1 - spent[1] / spent[0], "share", how, 0.45, at_most=False),
        Figure(
            "rejection_gain_kept",
            kept,
            "share",
            f"{how}; 95 % interval {low:.2f} to {high:.2f}",
            0.95,
            at_most=False,
        ),
    ]
    if aborted:
        by = f"from the decision until the engine's own gauge shows them gone, median of {len(aborted)}"
        told.append(Figure("rejection_aborted_ms", statistics.median(aborted), "ms", by, 50.0))
    return told


def gathered(
    served: Stack, prompts: int, tell: Callable[[str], None]
) -> tuple[list[float], list[float], list[float], list[int]]:
    """Rewards of single answers, of best of n and with rejection, and the tokens of the last two."""
    single, best, cut, spent = list[float](), list[float](), list[float](), [0, 0]
    with served.client() as client:
        asked = questions(prompts + LEARNT_ON)
        for number, question in enumerate(asked[:LEARNT_ON]):
            ask(client, question, "speculative_rejection", N, 100_000 + 64 * number)
        for number, question in enumerate(asked[LEARNT_ON:]):
            whole = ask(client, question, "best_of_n", N, 1_000_000 + 64 * number)
            early = ask(client, question, "speculative_rejection", N, 1_000_000 + 64 * number)
            single.append(statistics.fmean(each["reward"] for each in whole["candidates"]))
            best.append(reward_in(whole))
            cut.append(reward_in(early))
            spent[0] += whole["tokens"]["completion"]
            spent[1] += early["tokens"]["completion"]
            if number % 10 == 9:
                tell(f"rejection: {number + 1} of {prompts} prompts, {1 - spent[1] / spent[0]:.0%} saved")
    return single, best, cut, spent


async def aborts(served: Stack) -> list[float]:
    """Milliseconds from hanging up on half of 16 streams until the engine counts no more than the others."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        found = [await abort(client, served.engine, number) for number in range(ABORTS)]
    return [milliseconds for milliseconds in found if milliseconds is not None]


async def abort(client: httpx.AsyncClient, engine: str, number: int) -> float | None:
    """One of these; None where the streams ended by themselves."""
    body = {
        "model": "base", "messages": [{"role": "user", "content": "Tell me a long story."}], "stream": True,
        "max_tokens": 400, "ignore_eos": True,
    }  # fmt: skip
    listening = [
        asyncio.create_task(listen(client, engine, {**body, "seed": 64 * number + i})) for i in range(N)
    ]
    try:
        await until(client, engine, lambda running: running >= N)
        began = time.perf_counter()
        for task in listening[: N // 2]:
            task.cancel()
        gone = await until(client, engine, lambda running: running <= N // 2)
        return (
            1000 * (time.perf_counter() - began)
            if gone and not any(t.done() for t in listening[N // 2 :])
            else None
        )
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await until(client, engine, lambda running: running == 0)


async def listen(client: httpx.AsyncClient, engine: str, body: dict[str, Any]) -> None:
    async with client.stream("POST", f"{engine}/chat/completions", json=body) as answer:
        async for _ in answer.aiter_bytes():
            pass


async def until(client: httpx.AsyncClient, engine: str, so: Callable[[float], bool]) -> bool:
    """Whether the engine's gauge of running requests gets there in time."""
    deadline = time.perf_counter() + GONE_SECONDS
    while time.perf_counter() < deadline:
        told = (await client.get(engine.removesuffix("/v1") + "/metrics")).text
        if so(sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith(RUNNING))):
            return True
        await asyncio.sleep(0.002)
    return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vllm", metavar="PYTHON", default=None)
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    asked = parser.parse_args()
    print(text_of(measure(print, asked.vllm, asked.prompts)))  # noqa: T201
