"""The figures of a reward model on labelled pairs: by subset, and where length cannot help."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rewardserve.figures import Figure, Values, resampled, share
from rewardserve.scored_pairs import ScoredPair

Told = dict[str, Any]
ALIKE = 0.1  # two answers are of one length when their words differ by at most so much of the longer
MATCHED = "of one length"


def told(model: str, scored: Sequence[ScoredPair], refused: int) -> Told:
    """The report for machines; shares have Wilson's interval, the others are bootstrapped over pairs."""
    subsets = sorted({one.pair.subset for one in scored})
    parts = {name: [one for one in scored if one.pair.subset == name] for name in subsets}
    return {
        "model": model,
        "pairs": len(scored),
        "refused": refused,
        "all": figures(scored),
        "mean_of_subsets": macro([right(part) for part in parts.values()]).told(),
        "subsets": {name: figures(part) for name, part in parts.items()},
    }


def figures(scored: Sequence[ScoredPair]) -> Told:
    """Of some pairs: how often the better answer has the larger reward, a tie being a half."""
    margins = np.array([one.margin for one in scored])
    sizes = [sizes_of(one) for one in scored]
    matched = [one for one, both in zip(scored, sizes, strict=True) if alike(*both)]
    made = {
        "accuracy": share(right(scored)).told(),
        "margin": resampled(lambda rows: float(margins[rows].mean()), len(margins)).told(),
        "longer_chosen": share([float(chosen > rejected) for chosen, rejected in sizes]).told(),
    }
    if matched:
        made["accuracy_length_matched"] = share(right(matched)).told()
    return made


def right(scored: Sequence[ScoredPair]) -> Values:
    """1 where the better answer is rewarded more, a half for a tie."""
    margins = np.array([one.margin for one in scored])
    return np.where(margins > 0, 1.0, np.where(margins == 0, 0.5, 0.0))


def macro(parts: Sequence[Values]) -> Figure:
    """The mean of the subsets' accuracies, as leader boards have it; resampled within each subset."""
    rng = np.random.default_rng(0)
    drawn = [
        float(np.mean([part[rng.integers(0, len(part), len(part))].mean() for part in parts]))
        for _ in range(400)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = float(np.mean([part.mean() for part in parts]))
    return Figure(value, min(value, float(low)), max(value, float(high)), sum(map(len, parts)))


def sizes_of(one: ScoredPair) -> tuple[int, int]:
    """Words of the chosen and of the rejected answer."""
    return len(one.pair.chosen.split()), len(one.pair.rejected.split())


def alike(chosen: int, rejected: int) -> bool:
    """Whether two answers are of one length."""
    return abs(chosen - rejected) <= ALIKE * max(chosen, rejected)
