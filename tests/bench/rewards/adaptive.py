"""What stopping early saves: `adaptive` against a fixed n of 16, the same prompts through the same gateway.

python -m tests.bench.rewards.adaptive [--prompts 200]
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.figures import Figure, text_of
from tests.bench.rewards.interval import interval
from tests.bench.rewards.stack import ask, questions, reward_in, stack

N = 16
PROMPTS, LEARNT_ON = 200, 24  # the latter beforehand, for the route to be known


def measure(tell: Callable[[str], None], prompts: int = PROMPTS) -> list[Figure]:
    """Tokens saved, and the difference of mean rewards in standard deviations of single rewards."""
    saved, differences, within = [0, 0], [], []
    with tempfile.TemporaryDirectory() as folder, stack(Path(folder)) as served, served.client() as client:
        asked = questions(prompts + LEARNT_ON)
        for number, question in enumerate(asked[:LEARNT_ON]):
            ask(client, question, "adaptive", N, 100_000 + 64 * number)
        for number, question in enumerate(asked[LEARNT_ON:]):
            fixed = ask(client, question, "best_of_n", N, 1_000_000 + 64 * number)
            early = ask(client, question, "adaptive", N, 2_000_000 + 64 * number)
            within.append(statistics.variance(each["reward"] for each in fixed["candidates"]))
            differences.append(reward_in(early) - reward_in(fixed))
            saved[0] += early["tokens"]["completion"]
            saved[1] += fixed["tokens"]["completion"]
            if number % 10 == 9:
                tell(f"adaptive: {number + 1} of {prompts} prompts, {1 - saved[0] / saved[1]:.0%} saved")
    sd = statistics.fmean(within) ** 0.5
    low, high = interval([difference / sd for difference in differences])
    how = f"{prompts} exam prompts, pocket policy and reward model, at most 64 draws, through one gateway"
    return [
        Figure("adaptive_tokens_saved", 1 - saved[0] / saved[1], "share", how, 0.25, at_most=False),
        Figure("adaptive_reward_difference", statistics.fmean(differences) / sd, "sd", how),
        Figure(
            "adaptive_reward_difference_low",
            low,
            "sd",
            f"{how}; 95 % interval by prompts",
            -0.05,
            at_most=False,
        ),
        Figure("adaptive_reward_difference_high", high, "sd", f"{how}; above zero it is better, not worse"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    print(text_of(measure(print, parser.parse_args().prompts)))  # noqa: T201
