"""What it takes to screen a prompt that nobody has asked before: `python -m tests.bench.screening`.

CPU time of this thread, each text another; the parts are the stages of the default policy's prompt side.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Iterator

from guards.detectors.classifier import ClassifierConfig, ClassifierGuard, loaded
from guards.policy.load import load_policy
from guards.screen import Screen
from guards.text.views import views
from guards.verdict import Segment
from tests.bench.figures import Figure, write

_WORDS = """
the garden of our house needs a plan for next spring and I would like to know which flowers grow well in the shade
because most of it lies behind a tall wall please make a list with the months in which they bloom how much water they
want and what they cost we have about two hundred euros to spend my neighbour says that ferns are a good choice but she
also told me to ask somebody who knows more about soil than she does last year everything died
"""
WORDS = _WORDS.split()


def texts(size: int, count: int, seed: int = 1) -> Iterator[str]:
    """Harmless requests of about so many characters, no two alike."""
    rng = random.Random(seed)
    for number in range(count):
        words = [f"Request {number}:"]
        length = len(words[0])
        while length < size:
            words.append(rng.choice(WORDS) + rng.choice(("", "", "", "", ",", ".")))
            length += len(words[-1]) + 1
        yield " ".join(words)[:size]


def timed(work: Callable[[str], object], found: list[str]) -> list[float]:
    """CPU milliseconds of each call."""
    took = []
    for text in found:
        started = time.process_time()
        work(text)
        took.append((time.process_time() - started) * 1000)
    return sorted(took)


def at(took: list[float], share: float) -> float:
    """A percentile of sorted times."""
    return took[min(len(took) - 1, int(share * len(took)))]


def main() -> None:
    """Prints each figure and writes build/bench/screening.json."""
    screen = Screen(load_policy())
    loop = asyncio.new_event_loop()
    guard = ClassifierGuard("alone", loaded(ClassifierConfig().folder))

    def whole(text: str) -> None:
        loop.run_until_complete(screen.prompt([Segment(text, "prompt")]))

    small, large = 1024, 32 * 1024
    timed(whole, list(texts(small, 100, seed=2)))
    kilobyte = timed(whole, list(texts(small, 1500)))
    big = timed(whole, list(texts(large, 60, seed=3)))
    figures = [
        Figure(
            "prompt_1kb_p50_ms", at(kilobyte, 0.5), "ms", "all guards of the default policy, CPU time", 0.4
        ),
        Figure("prompt_1kb_p99_ms", at(kilobyte, 0.99), "ms", "the same, slowest percentile", 1.5),
        Figure("prompt_32kb_p50_ms", at(big, 0.5), "ms", "the same, 32 KB", 12.0),
        Figure(
            "views_1kb_us",
            1000 * at(timed(views, list(texts(small, 500, 4))), 0.5),
            "µs",
            "all readings",
            80.0,
        ),
    ]
    classified = timed(lambda text: guard.judge(text, "prompt"), list(texts(small, 500, 5)))
    figures.append(
        Figure("classifier_1kb_us", 1000 * statistics.median(classified), "µs", "readings and classifier")
    )
    for figure in figures:
        bar = "" if figure.bar is None else f"  bar {figure.bar}  {'holds' if figure.holds else 'MISSED'}"
        print(f"{figure.name:22} {figure.value:9.3f} {figure.unit}{bar}")  # noqa: T201
    print(write("screening", figures))  # noqa: T201


if __name__ == "__main__":
    main()
