"""Drawings of a reward model's figures, each an SVG that stands in a page by itself."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rewardserve.reporting.card import sizes_of
from rewardserve.scored_pairs import ScoredPair

LINE, CHANCE, MARK = "#2f6f72", "#bbb", "#b65c4a"
# Without a word of who drew it and when: two of the same are the same.
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


def svg(draw: Callable[[Any], None], title: str, height: float = 3.2) -> str:
    """What `draw` puts on a pair of axes; raises PlotsMissing."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to import
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise PlotsMissing("drawings want matplotlib: pip install 'trimtab[finetune]'") from error
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2, height), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.set_title(title, fontsize=9)
        page = io.StringIO()
        figure.savefig(page, format="svg", transparent=True, metadata=UNSIGNED)
    drawn = page.getvalue().split("?>", 1)[-1].split('dtd">', 1)[-1].strip()
    return re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)


def accuracies(report: Mapping[str, Any]) -> str:
    """Each subset's accuracy with its interval, and that of pairs of one length beside it."""
    rows = {"all": report["all"], **report["subsets"]}

    def draw(axes: Any) -> None:
        axes.axvline(0.5, color=CHANCE, linewidth=0.8)
        for place, figures in enumerate(rows.values()):
            for key, colour, shift in (
                ("accuracy", LINE, 0.0),
                ("accuracy_length_matched", MARK, 0.22),
            ):
                if key in figures:
                    one = figures[key]
                    axes.plot([one["low"], one["high"]], [place + shift] * 2, color=colour, linewidth=1)
                    axes.plot(one["value"], place + shift, "o", color=colour, markersize=4)
        axes.set_yticks(range(len(rows)), [name[:24] for name in rows])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("pairs ranked rightly (below: those of one length)")

    return svg(draw, "Accuracy", height=max(2.0, 0.9 + 0.35 * len(rows)))


def margins(scored: Sequence[ScoredPair]) -> str:
    """How far chosen answers are ahead."""
    values = np.array([one.margin for one in scored])

    def draw(axes: Any) -> None:
        axes.hist(values, bins=min(40, max(5, len(values) // 5)), color=LINE)
        axes.axvline(0, color=MARK, linewidth=0.8)
        axes.set_xlabel("reward of chosen − reward of rejected")
        axes.set_ylabel("pairs")

    return svg(draw, "Margins")


def by_length(scored: Sequence[ScoredPair]) -> str:
    """Margin over how much longer the chosen answer is: a slope is a bias, or the labels'."""
    longer = np.array([np.log((1 + a) / (1 + b)) for a, b in map(sizes_of, scored)])
    values = np.array([one.margin for one in scored])

    def draw(axes: Any) -> None:
        axes.axhline(0, color=CHANCE, linewidth=0.8)
        axes.scatter(longer, values, s=6, color=LINE, alpha=0.5, linewidths=0)
        axes.set_xlabel("log of words, chosen over rejected")
        axes.set_ylabel("margin")

    return svg(draw, "Margin and length")
