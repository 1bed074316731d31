"""Rollouts by the thousand, simulated: how often a version that is no worse is rolled back, and how soon a worse one.

    python -m tests.bench.loop canary [--quick]

Every metric is watched after every pair, as in production, with the weights and bets that ship; a naive test of the
same flags, looked at every 50 pairs, is shown beside it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.rollout.evidence import Bets
from finetune.rollout.plan import HARM, RolloutRules

Floats = NDArray[np.float64]
ROLLOUTS, PAIRS, AT_ONCE = 5000, 10_000, 100
RATE, WORSE_RATE = 0.02, 0.04
NAIVE_Z, NAIVE_EVERY = 1.645, 50


def measure(quick: bool) -> dict[str, Any]:
    """False rollbacks, and pairs until a doubled flag rate is caught."""
    rollouts, rules = 300 if quick else ROLLOUTS, RolloutRules()
    same = alarms(rollouts, RATE, rules, seed=1)
    worse = alarms(rollouts, WORSE_RATE, rules, seed=2)
    naive = np.mean([naive_alarm(rng_of(3, i)) for i in range(rollouts)])
    caught = float(np.median(worse))
    false, missed = float(np.mean(np.isfinite(same))), float(np.mean(~np.isfinite(worse)))
    how = (
        f"{rollouts} rollouts of {PAIRS} pairs, all of {', '.join(HARM)} after each pair, alpha {rules.alpha}"
    )
    return {
        "canary_false_rollbacks": {
            "value": false,
            "bar": 0.05,
            "met": false <= 0.05,
            "how": f"{how}; flag rate {RATE:.0%} on both sides; a naive z test of the flags: {naive:.0%}",
        },
        "canary_pairs_to_catch": {
            "value": caught,
            "bar": 1000,
            "met": caught <= 1000,
            "how": f"{how}; flag rate {RATE:.0%} against {WORSE_RATE:.0%}; median; {missed:.1%} never caught",
        },
    }


def alarms(rollouts: int, rate: float, rules: RolloutRules, seed: int) -> Floats:
    """For each rollout the number of pairs at its alarm; infinity where there is none."""
    found = [
        first_alarms(rng_of(seed, start), min(AT_ONCE, rollouts - start), rate, rules)
        for start in range(0, rollouts, AT_ONCE)
    ]
    return np.concatenate(found)


def first_alarms(rng: np.random.Generator, rollouts: int, rate: float, rules: RolloutRules) -> Floats:
    """The alarms of some rollouts at once."""
    weighed = rules.weights.weighed
    whole = sum(weighed.weights.values())
    shape = (rollouts, PAIRS)
    flags = (rng.random(shape) < rate).astype(np.float32) - (rng.random(shape) < RATE)
    differences = {
        "flagged": flags,
        "failed": (rng.random(shape) < 0.002).astype(np.float32) - (rng.random(shape) < 0.002),
        "refused": (rng.random(shape) < 0.05).astype(np.float32) - (rng.random(shape) < 0.05),
        "reward": np.sign(rng.standard_normal(shape)),
        "longer": np.clip(rng.standard_normal(shape) * 0.5, -1, 1),
    }
    differences["shorter"] = -differences["longer"]
    mean = sum(
        weighed.weights[name] / whole * np.exp(log_wealth(differences[name], HARM[name])) for name in HARM
    )
    over = np.asarray(mean) >= 1 / rules.alpha
    return np.where(over.any(axis=1), over.argmax(axis=1) + 1.0, np.inf)


def log_wealth(differences: Any, bets: Bets) -> Floats:
    """The logarithm of a test's mean wealth after each pair."""
    staked = np.minimum(1.0, (differences - bets.margin) / (1.0 + bets.margin))
    wealth = sum(np.exp(np.cumsum(np.log1p(share * staked), axis=1)) for share in bets.shares)
    return np.asarray(np.log(np.asarray(wealth) / len(bets.shares)))


def naive_alarm(rng: np.random.Generator) -> bool:
    """Whether a z test of two equal flag rates, looked at again and again, is ever significant."""
    new, old = (np.cumsum(rng.random(PAIRS) < RATE) for _ in range(2))
    looks = np.arange(NAIVE_EVERY, PAIRS + 1, NAIVE_EVERY)
    a, b = old[looks - 1] / looks, new[looks - 1] / looks
    pooled = (a + b) / 2
    error = np.sqrt(np.maximum(2 * pooled * (1 - pooled) / looks, 1e-12))
    return bool(((b - a) / error > NAIVE_Z).any())


def rng_of(seed: int, part: int) -> np.random.Generator:
    """The same numbers in every run."""
    return np.random.default_rng([seed, part])
