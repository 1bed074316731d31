"""What an ensemble is worth against over-optimisation: true quality of the best of n, by one model and by several.

A made-up world in which quality is known. Answers are points, a few of them farther out than any that was labelled;
quality rises along one direction and falls far from the middle. Each member is a Bradley–Terry model on random
features of its own, learnt from pairs of its own, a quarter of whose labels are wrong; z-scores and combination are
the server's. Deterministic: no clock is read.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardserve.ensemble import combined
from rewardserve.ensemble_document import EnsembleDocument
from rewardserve.moments import Moments
from tests.bench.figures import Figure

DIMENSIONS, FEATURES, PAIRS, NOISE, MEMBERS, PROMPTS, MOST = 8, 48, 400, 0.25, 5, 400, 256
N = 64
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
Array = NDArray[np.float64]


def measure(tell: Callable[[str], None]) -> list[Figure]:
    """True quality at n = 64, for one member (mean of the five) and for each way to combine five."""
    rng = np.random.default_rng(5)
    answers = drawn(rng, PROMPTS * MOST)
    gold = quality(answers).reshape(PROMPTS, MOST)
    raw = [member(rng)(answers) for _ in range(MEMBERS)]
    z = np.array([zscored(one) for one in raw])
    ways = {"one member": z} | {
        f"five, {way}": together(z, way)[None] for way in ("mean", "worst", "uncertainty")
    }
    figures = []
    for name, scores in ways.items():
        curve = np.mean([best_of(gold, one.reshape(PROMPTS, MOST)) for one in scores], axis=0)
        tell(f"{name}: " + ", ".join(f"n={n} {value:.2f}" for n, value in zip(COUNTS, curve, strict=True)))
        best = COUNTS[int(curve.argmax())]
        how = (
            f"mean true quality of the best of {N}, one answer's being {curve[0]:.2f}; most at n = {best}, "
            f"{curve.max():.2f}; {PROMPTS} made-up prompts, {NOISE:.0%} of the members' labels wrong"
        )
        word = name.replace(", ", "_").replace(" ", "_")
        figures.append(Figure(f"gold_at_{N}_{word}", float(curve[COUNTS.index(N)]), "quality", how))
    return figures


def drawn(rng: Any, count: int) -> Array:
    """Answers as points; Student's t leaves some of them far from where labels were given."""
    points: Array = rng.standard_t(3, (count, DIMENSIONS))
    return points


def quality(points: Array) -> Array:
    """What a member cannot see: better along the first axis, worse far out."""
    worth: Array = points[:, 0] - 0.1 * (points**2).sum(axis=1)
    return worth - worth.mean()


def member(rng: Any) -> Callable[[Array], Array]:
    """A model learnt from noisy pairs by Newton's method on random features."""
    directions, shifts = rng.normal(0, 0.5, (DIMENSIONS, FEATURES)), rng.normal(0, 1, FEATURES)

    def features(points: Array) -> Array:
        return np.maximum(points @ directions + shifts, 0)

    first, second = rng.normal(0, 1, (2, PAIRS, DIMENSIONS))
    right = (quality(first) > quality(second)) ^ (rng.random(PAIRS) < NOISE)
    apart = (features(first) - features(second)) * np.where(right, 1, -1)[:, None]
    weights = np.zeros(FEATURES)
    for _ in range(30):
        chance = 1 / (1 + np.exp(-apart @ weights))
        bend = apart.T @ (apart * (chance * (1 - chance))[:, None]) + 1.0 * np.eye(FEATURES)
        weights += np.linalg.solve(bend, apart.T @ (1 - chance) - 1.0 * weights)
    return lambda points: features(points) @ weights


def zscored(values: Array) -> Array:
    """As the server compares members: by what they usually give."""
    usual = Moments().with_(values[:2000].tolist())
    return np.array([usual.z(value) for value in values.tolist()])


def together(z: Array, way: str) -> Array:
    """The server's own combination."""
    members = [{"name": f"m{place}", "model": "x"} for place in range(MEMBERS)]
    document = EnsembleDocument.model_validate({"combine": way, "penalty": 1.0, "members": members})
    return np.array([combined(document, column.tolist(), [1.0] * MEMBERS)[0] for column in z.T])


def best_of(gold: Array, scores: Array) -> list[float]:
    """The mean quality of the answer with the largest score among the first n."""
    rows = np.arange(len(gold))
    return [float(gold[rows, scores[:, :n].argmax(axis=1)].mean()) for n in COUNTS]
