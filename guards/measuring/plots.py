"""Drawings of how scores tell two kinds of text apart, each an SVG that stands in a page by itself."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from guards.measure import Scores

LINE, CHANCE, MARK = "#2f6f72", "#bbb", "#b65c4a"
# Without a word of who drew it and when: the page names no other page, and two of the same are the same.
UNSIGNED = dict.fromkeys(("Date", "Creator", "Format", "Type"))
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "trimtab",
}


class PlotsMissing(Exception):
    """The library that draws is not installed."""


def svg(draw: Callable[[Any], None], title: str) -> str:
    """What `draw` puts on a pair of axes; raises PlotsMissing."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to import
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise PlotsMissing("drawings want matplotlib: pip install 'trimtab[finetune]'") from error
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 3.2), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.set_title(title, fontsize=9)
        page = io.StringIO()
        figure.savefig(page, format="svg", transparent=True, metadata=UNSIGNED)
    drawn = page.getvalue().split("?>", 1)[-1].split('dtd">', 1)[-1].strip()
    return re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)


def curve(harmful: Scores, harmless: Scores) -> tuple[Scores, Scores, Scores]:
    """For each threshold, ascending: it, the share of harmful texts that reach it, and of harmless ones."""
    thresholds = np.unique(np.concatenate([harmful, harmless]))
    found = 1 - np.searchsorted(np.sort(harmful), thresholds) / max(1, len(harmful))
    alarms = 1 - np.searchsorted(np.sort(harmless), thresholds) / max(1, len(harmless))
    return thresholds, found, alarms


def roc(harmful: Scores, harmless: Scores, marks: Sequence[tuple[str, float]] = ()) -> str:
    """Recall over false alarms; each mark is a threshold with its name."""
    _, found, alarms = curve(harmful, harmless)

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=CHANCE, linewidth=0.8)
        axes.plot([*alarms, 0], [*found, 0], color=LINE)
        for name, threshold in marks:
            at = float(np.mean(harmless >= threshold)), float(np.mean(harmful >= threshold))
            axes.plot(*at, "o", color=MARK)
            axes.annotate(name, at, xytext=(6, -10), textcoords="offset points", fontsize=8)
        axes.set_xlabel("false alarms")
        axes.set_ylabel("recall")

    return svg(draw, "ROC")


def precision_recall(harmful: Scores, harmless: Scores, marks: Sequence[tuple[str, float]] = ()) -> str:
    """Precision over recall, at the mixture of the set."""
    _, found, alarms = curve(harmful, harmless)
    hits, misses = found * len(harmful), alarms * len(harmless)

    def draw(axes: Any) -> None:
        axes.plot(found, hits / np.maximum(1e-12, hits + misses), color=LINE)
        for name, threshold in marks:
            hit, miss = float(np.sum(harmful >= threshold)), float(np.sum(harmless >= threshold))
            at = hit / max(1, len(harmful)), hit / max(1.0, hit + miss)
            axes.plot(*at, "o", color=MARK)
            axes.annotate(name, at, xytext=(6, -10), textcoords="offset points", fontsize=8)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        axes.set_ylim(0, 1.02)

    return svg(draw, "Precision and recall")


def reliability(bins: Sequence[tuple[float, float, int]]) -> str:
    """What was promised and what was so, by bin: (mean probability, share that is harmful, texts)."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=CHANCE, linewidth=0.8)
        promised, real, sizes = zip(*bins, strict=True) if bins else ((), (), ())
        axes.scatter(promised, real, s=[8 + 90 * size / max(sizes) for size in sizes], color=LINE)
        axes.set_xlabel("probability given")
        axes.set_ylabel("share that is harmful")

    return svg(draw, "Calibration")
