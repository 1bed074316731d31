"""The three rounds as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

from finetune.exams.contract import Examined
from finetune.exams.intervals import Estimate

mpl.use("Agg")
import matplotlib.pyplot as plt

NAMED = {"held_out": "held-out part of the corpus", "by_hand": "exam written by hand"}


def plot(steps: Mapping[str, Sequence[Examined]], path: Path) -> None:
    """Unsafe compliance, benign refusals and reward after each round, with 95 % intervals."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), constrained_layout=True)
    for exam, examined in steps.items():
        told = [one.report for one in examined]
        draw(axes[0], [one.unsafe_compliance for one in told], NAMED[exam])
        draw(axes[1], [one.benign_refusal for one in told], NAMED[exam])
        draw(axes[2], [one.reward for one in told if one.reward is not None], NAMED[exam])
    for axis, title in zip(axes, ("unsafe compliance", "benign refusals", "mean reward"), strict=True):
        axis.set_title(title)
        axis.set_xlabel("round")
        axis.set_xticks(range(max(map(len, steps.values()))))
        axis.grid(alpha=0.3)
    for axis in axes[:2]:
        axis.set_ylim(0, None)
        axis.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    axes[0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw(axis: "plt.Axes", estimates: Sequence[Estimate], label: str) -> None:
    """One line with its intervals."""
    values = [one.value for one in estimates]
    spread = [[one.value - one.low for one in estimates], [one.high - one.value for one in estimates]]
    axis.errorbar(range(len(values)), values, yerr=spread, label=label, marker="o", capsize=3)
