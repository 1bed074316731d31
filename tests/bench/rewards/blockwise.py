"""What choosing block by block brings a streaming client: its first word, and its reward, against best of 4.

python -m tests.bench.rewards.blockwise [--prompts 80]
"""

import argparse
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

K, BLOCK = 4, 32
PROMPTS, TIMED = 80, 20


def measure(tell: Callable[[str], None], prompts: int = PROMPTS) -> list[Figure]:
    """The time to the first word over that of one block, and the share of best of 4's gain."""
    how = f"K = {K} blocks of {BLOCK} tokens, pocket policy, reward model and engine"
    with (
        tempfile.TemporaryDirectory() as folder,
        stack(Path(folder), alignment__block_tokens=BLOCK) as served,
    ):
        kept, interval = gain(served, prompts, tell)
        ratios = first_words(served, tell)
    by = f"{how}; {prompts} exam prompts, 95 % interval {interval[0]:.2f} to {interval[1]:.2f}"
    timed = f"{how}; median over {len(ratios)} prompts, in turns with the engine's own time for one block"
    return [
        Figure("blockwise_first_word", statistics.median(ratios), "x", timed, 1.3),
        Figure("blockwise_gain", kept, "share", by, 0.6, at_most=False),
    ]


def gain(served: Stack, prompts: int, tell: Callable[[str], None]) -> tuple[float, tuple[float, float]]:
    """How much of what best of 4 adds to a single answer's reward it adds."""
    blocks, best = list[float](), list[float]()
    with served.client() as client, httpx.Client(timeout=60, trust_env=False) as rewards:
        for number, question in enumerate(questions(prompts)):
            whole = ask(client, question, "best_of_n", K, 1_000_000 + 64 * number)
            single = statistics.fmean(each["reward"] for each in whole["candidates"])
            best.append(reward_in(whole) - single)
            blocks.append(rewarded(client, rewards, served, question, number) - single)
            if number % 10 == 9:
                tell(f"blockwise: {number + 1} of {prompts} prompts")
    return statistics.fmean(blocks) / statistics.fmean(best), ratio_interval(blocks, best)


def rewarded(client: httpx.Client, rewards: httpx.Client, served: Stack, question: str, number: int) -> float:
    """The reward of a whole answer that was chosen block by block."""
    messages = [{"role": "user", "content": question}]
    answer = client.post("/chat/completions", json=body_of(question, 2_000_000 + 4096 * number)).json()
    text = answer["choices"][0]["message"]["content"]
    asked = {"conversations": [{"messages": messages, "candidates": [text]}]}
    return float(rewards.post(f"{served.rewards}/v1/score", json=asked).json()["rewards"][0][0])


def body_of(question: str, seed: int, **more: Any) -> dict[str, Any]:
    return {
        "model": "base",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 96,
        "temperature": 1.0,
        "seed": seed,
        "alignment": {"strategy": "blockwise", "n": K},
        **more,
    }


def first_words(served: Stack, tell: Callable[[str], None]) -> list[float]:
    """The time to a stream's first word over the time in which the engine makes one set of blocks, for some prompts."""
    ratios = []
    with served.client() as client, httpx.Client(timeout=60, trust_env=False) as engine:
        for number, question in enumerate(questions(TIMED)):
            seed = 3_000_000 + 4096 * number
            body = {**body_of(question, seed), "n": K, "max_tokens": BLOCK}
            del body["alignment"]
            began = time.perf_counter()
            engine.post(f"{served.engine}/chat/completions", json=body).raise_for_status()
            block = time.perf_counter() - began
            ratios.append(first_word(client, body_of(question, seed, stream=True)) / block)
    tell(f"blockwise: first words after {statistics.median(ratios):.2f} blocks")
    return ratios


def first_word(client: httpx.Client, body: dict[str, Any]) -> float:
    """Seconds until a stream says anything."""
    began = time.perf_counter()
    with client.stream("POST", "/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if '"content": "' in line.replace('":"', '": "') and '"content": ""' not in line.replace(
                '":"', '": "'
            ):
                return time.perf_counter() - began
    raise RuntimeError("a stream said nothing")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    print(text_of(measure(print, parser.parse_args().prompts)))  # noqa: T201
