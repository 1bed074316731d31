"""A reward server that goes away under load and comes back: nobody's request fails, and every answer says so.

python -m tests.bench.rewards.outage
"""

import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.figures import Figure, text_of
from tests.bench.rewards.stack import Stack, free_port, gateway, pocket, questions, reward_server

CLIENTS = 4
AWAY_SECONDS = 12.0
BACK_SECONDS = 30.0


@dataclass
class Log:
    """When each answer was asked for and came, and whether it said that rewards were missing."""

    failed: int = 0
    answers: list[tuple[float, float, bool]] = field(default_factory=list)


def measure(tell: Callable[[str], None]) -> list[Figure]:
    """Failed requests, answers during the outage that did not say so, and the seconds until rewards were back."""
    log, over = Log(), threading.Event()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened, ExitStack() as rewards:
        port, engine = free_port(), opened.enter_context(pocket())
        url = rewards.enter_context(reward_server(port))
        served = opened.enter_context(gateway(Path(folder), engine, url, {"reward__timeout_seconds": 2.0}))
        with ThreadPoolExecutor(CLIENTS) as pool:
            for number in range(CLIENTS):
                pool.submit(asking, served, number, log, over)
            time.sleep(5)
            tell("outage: the reward server is killed under load")
            rewards.close()
            away = time.monotonic()
            time.sleep(AWAY_SECONDS)
            starting = time.monotonic()
            with reward_server(port):
                back = time.monotonic()
                while time.monotonic() < back + BACK_SECONDS and not recovered(log, back):
                    time.sleep(0.1)
                over.set()
                pool.shutdown()
    silent = sum(not told for asked, came, told in log.answers if asked > away and came < starting)
    during = sum(asked > away and came < starting for asked, came, _ in log.answers)
    first = min(
        (came for asked, came, told in log.answers if asked > back and not told), default=back + BACK_SECONDS
    )
    how = f"{CLIENTS} clients, best of 4, pocket stack; {during} answers while it was away, {len(log.answers)} in all"
    return [
        Figure("outage_failed", log.failed, "requests", how, 0.0),
        Figure("outage_answers_that_did_not_say_so", silent, "answers", how, 0.0),
        Figure("outage_seconds_to_recover", first - back, "s", f"{how}; from when it was healthy again", 5.0),
    ]


def recovered(log: Log, back: float) -> bool:
    return any(asked > back and not told for asked, _, told in list(log.answers))


def asking(served: Stack, number: int, log: Log, over: threading.Event) -> None:
    """One client that asks on and on."""
    asked = questions(40)
    with served.client() as client:
        turn = number
        while not over.is_set():
            turn += CLIENTS
            body = {
                "model": "base",
                "messages": [{"role": "user", "content": asked[turn % len(asked)]}],
                "max_tokens": 32,
                "alignment": {"strategy": "best_of_n", "n": 4},
            }
            began = time.monotonic()
            answer = client.post("/chat/completions", json=body)
            if not answer.is_success or not answer.json()["choices"][0]["message"]["content"]:
                log.failed += 1
            missing = "reward: " in answer.headers.get("x-trimtab-degraded", "")
            log.answers.append((began, time.monotonic(), missing))


if __name__ == "__main__":
    print(text_of(measure(print)))  # noqa: T201
