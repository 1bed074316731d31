"""From rewards to chances of winning, and what length alone earns: the pure arithmetic of calibration.

* margin → P(win): Bradley and Terry's one scale, and an isotonic map (Barlow et al. 1972) made symmetric, so that
  P(a beats b) = 1 − P(b beats a) whatever the data say
* length bias: locally weighted regression (LOESS, Cleveland 1979) of reward on log length, subtracted
  (Huang et al. 2024, arXiv 2409.17407)
"""

from dataclasses import dataclass

import numpy as np

from rewardserve.figures import Values

STEPS, PRECISION = 100, 1e-10
LARGEST_SCALE = 1e3
KNOTS = 25


@dataclass(frozen=True, slots=True)
class Curve:
    """A function through knots, straight between them and level outside."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, x: Values) -> Values:
        """Its values."""
        return np.interp(x, self.x, self.y)


def log_length(text: str) -> float:
    """What the length bias is regressed on: the natural logarithm of one more than the characters."""
    return float(np.log1p(len(text)))


def loess(x: Values, y: Values, share: float = 0.5, knots: int = KNOTS) -> Curve:
    """Local straight lines with tricube weights over the nearest `share` of the points, at `knots` quantiles of x."""
    places = np.unique(np.quantile(x, np.linspace(0, 1, knots)))
    nearest = min(len(x), max(2, int(np.ceil(share * len(x)))))
    return Curve(tuple(places.tolist()), tuple(local_line(x, y, at, nearest) for at in places))


def local_line(x: Values, y: Values, at: float, nearest: int) -> float:
    """The value at one place of the line through its nearest points; their mean where all have one x."""
    distance = np.abs(x - at)
    reach = max(float(np.partition(distance, nearest - 1)[nearest - 1]), 1e-12) * 1.0001
    weight = np.clip(1 - (distance / reach) ** 3, 0, None) ** 3
    total = weight.sum()
    middle_x, middle_y = (weight @ x) / total, (weight @ y) / total
    spread = weight @ (x - middle_x) ** 2
    if spread < 1e-12 * total:
        return float(middle_y)
    return float(middle_y + (at - middle_x) * (weight @ ((x - middle_x) * (y - middle_y))) / spread)


def bradley_terry_scale(margins: Values) -> float:
    """The a of P(chosen wins) = 1 / (1 + exp(−a·margin)) that makes the labels likeliest; at least 0."""
    scale = 0.0
    for _ in range(STEPS):
        chance = sigmoid(scale * margins)
        slope = float(np.sum(margins * (1 - chance)))
        bend = float(np.sum(margins**2 * chance * (1 - chance)))
        if bend < 1e-12:  # every pair is right: nothing holds the scale
            break
        step = float(np.clip(slope / bend, -1.0 - scale, 1.0 + scale))
        scale = float(np.clip(scale + step, 0.0, LARGEST_SCALE))
        if abs(step) < PRECISION:
            break
    return scale


def isotonic(margins: Values) -> Curve:
    """The never-falling map from margin to P(win) nearest to the labels, symmetric about a margin of 0."""
    x = np.concatenate([margins, -margins])
    y = np.concatenate([np.ones(len(margins)), np.zeros(len(margins))])
    places, inverse = np.unique(x, return_inverse=True)
    weight = np.bincount(inverse).astype(float)
    level = np.bincount(inverse, weights=y) / weight
    fitted = pooled(level, weight)
    # One knot at each end of a level: between levels the map is straight.
    ends = [
        i
        for i in range(len(places))
        if i in (0, len(places) - 1) or not fitted[i - 1] == fitted[i] == fitted[i + 1]
    ]
    return Curve(tuple(places[ends].tolist()), tuple(fitted[ends].tolist()))


def pooled(level: Values, weight: Values) -> Values:
    """The nearest values that never fall (pool adjacent violators)."""
    blocks: list[list[float]] = []  # value, weight, how many
    for value, mass in zip(level.tolist(), weight.tolist(), strict=True):
        blocks.append([value, mass, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            last, before = blocks.pop(), blocks[-1]
            before[0] = (before[0] * before[1] + last[0] * last[1]) / (before[1] + last[1])
            before[1] += last[1]
            before[2] += last[2]
    return np.repeat([block[0] for block in blocks], [int(block[2]) for block in blocks])


def sigmoid(x: Values) -> Values:
    """1 / (1 + exp(−x)), without overflow."""
    return np.exp(-np.logaddexp(0.0, -x))


def log_loss(chance: Values) -> float:
    """The mean surprise at what happened, in nats; 0.693 is a coin's."""
    return float(-np.mean(np.log(np.clip(chance, 1e-6, 1.0))))
