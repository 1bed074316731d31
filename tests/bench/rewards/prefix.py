"""What it is worth to read the prompt of n candidates once: against plain batches, vLLM, and a card's own speed.

Two ways of one model are run in turns in one run and compared by processor time, so that other work on the machine
does not show. The prompt has 1500 tokens and each of 16 answers 300: in theory 4.57 times fewer tokens.

    python -m tests.bench.rewards.prefix [--vllm PYTHON]       PYTHON: that of an environment which has vLLM (.ci/vllm)
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch

from rewardserve.scorer import ModelSpec
from rewardserve.scorers.transformers import Encoded, TransformersScorer, load
from tests.bench.figures import Figure, text_of
from tests.fakes.tiny_reward import make_tiny_reward

PROMPT, REPLY, N = 1500, 300, 16
THEORY = N * (PROMPT + REPLY) / (PROMPT + N * REPLY)
ROUNDS, CHOICES = 3, 200
VOCABULARY = 260  # fewer than the tiny tokenizer's
LARGE: dict[str, Any] = {
    "hidden_size": 512,
    "intermediate_size": 1408,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
}
POCKET: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 672,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
}
READS = {"max_position_embeddings": 4096}
BILLION: dict[str, Any] = {
    "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
    "num_key_value_heads": 8,
}  # fmt: skip
# Of the billion, those that every token meets: of attention, with a quarter of the keys, and the three of the MLP.
MULTIPLIED = 16 * (2048 * 2048 * 2 + 2048 * 512 * 2 + 3 * 2048 * 8192)
Way = Callable[[], Any]


def measure(tell: Callable[[str], None], python: str | None = None) -> list[Figure]:
    """The figures of this machine; what cannot be measured here is told and left out."""
    with tempfile.TemporaryDirectory() as folder:
        figures = [*on_a_cpu(Path(folder), tell)]
        python = python or os.environ.get("TRIMTAB_TEST_VLLM")
        if python:
            figures += against_vllm(Path(folder), python)
        else:
            tell(
                "vLLM is left out: it has an environment of its own (.ci/vllm); give its Python: --vllm PYTHON"
            )
        if torch.cuda.is_available():
            figures += on_a_card(Path(folder))
        else:
            tell("the card is left out: torch sees no CUDA device here")
    return figures


def on_a_cpu(folder: Path, tell: Callable[[str], None]) -> Iterator[Figure]:
    """Speed at the size that theory speaks of, and whether the winner is the same in many small choices."""
    plain, shared = both(make_tiny_reward(folder / "large", **LARGE, **READS), cpu_threads=1)
    items = conversation(random.Random(1), PROMPT, REPLY)
    tell(f"{N} answers of {REPLY} tokens to a prompt of {PROMPT}, {ROUNDS} rounds")
    gains = ratios(lambda: plain.score(items), lambda: shared.score(items), process_time)
    how = (
        f"prompt {PROMPT}, replies {REPLY}, n {N}; plain batches over shared prefix, processor time, one thread, "
        f"4 layers of 512, float32; median of {ROUNDS} ({min(gains):.2f} to {max(gains):.2f}); theory {THEORY:.2f}"
    )
    yield Figure("prefix_gain_cpu", statistics.median(gains), "×", how, 3.5, at_most=False)
    plain, shared = both(make_tiny_reward(folder / "pocket", **POCKET, **READS), cpu_threads=1)
    tell(f"{CHOICES} choices among {N}")
    how = f"{CHOICES} choices among {N}, prompt 48, replies 6 to 12; the pocket model's size, random weights"
    yield Figure("same_winner", same_winner(plain, shared) * 100, "%", how, 99.5, at_most=False)


def both(folder: Path, **wishes: Any) -> tuple[TransformersScorer, TransformersScorer]:
    """The model read plainly, and with shared prefixes."""
    plain = load(ModelSpec(str(folder), prefix_sharing=False, **wishes))
    shared = load(ModelSpec(str(folder), **wishes))
    assert shared.card.prefix_sharing
    return plain, shared


def conversation(rng: random.Random, prompt: int, reply: int, least: int | None = None) -> list[Encoded]:
    """N random texts that begin alike; replies have `reply` tokens, or from `least` to as many."""
    vocabulary = VOCABULARY
    begun = [rng.randrange(5, vocabulary) for _ in range(prompt)]
    number = rng.getrandbits(40)
    lengths = [rng.randint(least or reply, reply) for _ in range(N)]
    own = [[rng.randrange(5, vocabulary) for _ in range(length)] for length in lengths]
    return [Encoded((*begun, *one), None, number, prompt) for one in own]


def ratios(slow: Way, fast: Way, clock: Callable[[], float]) -> list[float]:
    """The time of one way over that of the other, measured in turns after a warm-up."""
    fast()
    return [seconds(slow, clock) / seconds(fast, clock) for _ in range(ROUNDS)]


def seconds(work: Way, clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started


def same_winner(plain: TransformersScorer, shared: TransformersScorer) -> float:
    """The share of choices in which both ways prefer the same candidate."""
    rng, same = random.Random(2), 0
    for _ in range(CHOICES):
        items = conversation(rng, 48, 12, 6)
        same += best(plain.score(items)) == best(shared.score(items))
    return same / CHOICES


def best(rewards: Sequence[float]) -> int:
    return max(range(len(rewards)), key=rewards.__getitem__)


def against_vllm(folder: Path, python: str) -> list[Figure]:
    """Pairs per second beside vLLM's own server with its prefix cache, one thread each, in turns."""
    from tests.vllm.conftest import free_port, served

    model = folder / "large"
    shared = load(ModelSpec(str(model), cpu_threads=1))
    port, server = free_port(), Path(__file__).parents[2] / "vllm" / "serve.py"
    flags = (
        f"--host 127.0.0.1 --port {port} --served-model-name reward --runner pooling --dtype float32 "
        f"--max-model-len 2048 --enforce-eager --enable-prefix-caching --kv-cache-memory-bytes 512M"
    )
    rng, gains = random.Random(3), []
    with each(served([python, str(server), "serve", str(model), *flags.split()], port)):
        url = f"http://127.0.0.1:{port}/classify"
        classify(url, conversation(rng, PROMPT, REPLY))
        for _ in range(ROUNDS):
            items = conversation(rng, PROMPT, REPLY)  # never seen: its cache has to share, not to remember
            theirs = seconds(lambda items=items: classify(url, items), perf_counter)
            gains.append(theirs / seconds(lambda items=items: shared.score(items), perf_counter))
    how = (
        f"vLLM /classify with prefix caching over ours, wall time, one thread each, n {N}, {PROMPT} + {REPLY}"
    )
    return [Figure("over_vllm_cpu", statistics.median(gains), "×", how, 1.0, at_most=False)]


@contextmanager
def each(generator: Iterator[str]) -> Iterator[str]:
    """A generator that yields once, as a context."""
    yield next(generator)
    next(generator, None)


def classify(url: str, items: Sequence[Encoded]) -> list[float]:
    """One question to vLLM for all candidates, as token ids, answered with raw logits."""
    body = {"model": "reward", "input": [item.ids for item in items], "use_activation": False}
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return [row["probs"][0] for row in json.loads(answer.read())["data"]]


def on_a_card(folder: Path) -> Iterator[Figure]:
    """A billion parameters in bfloat16: the gain, and how much of the card's own matrix speed is reached."""
    plain, shared = both(
        make_tiny_reward(folder / "billion", **BILLION, **READS), device="cuda", dtype="bfloat16"
    )
    items = conversation(random.Random(4), PROMPT, REPLY)
    gains = ratios(lambda: synced(plain, items), lambda: synced(shared, items), perf_counter)
    how = f"prompt {PROMPT}, replies {REPLY}, n {N}; plain over shared, {shared.card.parameters / 1e9:.1f} B, bfloat16"
    yield Figure("prefix_gain_card", statistics.median(gains), "×", how, 3.5, at_most=False)
    taken = min(seconds(lambda: synced(shared, items), perf_counter) for _ in range(ROUNDS))
    reached = 2 * MULTIPLIED * shared.spent.padded / taken / matmul_rate()
    how = "2 × parameters × tokens read per second, over a measured 8192³ bfloat16 matmul of the same card"
    yield Figure("share_of_card", reached * 100, "%", how, 60, at_most=False)


def synced(scorer: TransformersScorer, items: Sequence[Encoded]) -> None:
    scorer.score(items)
    torch.cuda.synchronize()


def matmul_rate() -> float:
    """Floating-point operations per second of a large bfloat16 matrix product, the best of several."""
    size = 8192
    left, right = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))

    def product() -> None:
        left @ right
        torch.cuda.synchronize()

    return 2 * size**3 / min(seconds(product, perf_counter) for _ in range(10))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vllm", metavar="PYTHON")
    print(text_of(measure(print, parser.parse_args().vllm)))  # noqa: T201
