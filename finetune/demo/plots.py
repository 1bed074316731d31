"""The demo's plots, each a function from what was measured to one SVG that stands in the page by itself."""

import io
from collections.abc import Callable, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from finetune.demo.outcome import Change, Guarding, Learning, Rewarding
from finetune.demo.traffic import Answer
from guards.hazards import HAZARDS

BEFORE, AFTER, MARK = "#b65c4a", "#2f6f72", "#d9a441"
# Without a word of who drew it and when: the page names no other page, and two of the same are the same.
UNSIGNED = dict.fromkeys(("Date", "Creator", "Format", "Type"))
STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"}


def svg(draw: Callable[[Axes], None], height: float = 3.1) -> str:
    """What `draw` puts on a pair of axes, as inline SVG."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.2, height), layout="constrained")
        draw(figure.subplots())
        page = io.StringIO()
        figure.savefig(page, format="svg", transparent=True, metadata=UNSIGNED)
    return page.getvalue().split("?>", 1)[-1].split('dtd">', 1)[-1].strip()


def reward_by_n(rewarding: Rewarding) -> str:
    """Mean reward of the chosen candidate over the number of candidates."""

    def draw(axes: Axes) -> None:
        counts = [int(n) for n in rewarding.mean_by_n]
        means = list(rewarding.mean_by_n.values())
        axes.errorbar(
            counts, means, yerr=spread(means, list(rewarding.interval_by_n.values())),
            color=AFTER, marker="o", capsize=4,
        )  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_xticks(counts, [str(n) for n in counts])
        axes.set_xlabel("candidates sampled (n)")
        axes.set_ylabel("mean reward of the chosen one")

    return svg(draw)


def before_and_after(changes: dict[str, Change]) -> str:
    """Rates of the bare policy before and after, with their intervals."""

    def draw(axes: Axes) -> None:
        for place, change in enumerate(changes.values()):
            for shift, rate, interval, colour in (
                (-0.18, change.before, change.before_interval, BEFORE),
                (0.18, change.after, change.after_interval, AFTER),
            ):
                bars = axes.bar(place + shift, 100 * rate, 0.32, color=colour)
                low, high = spread([rate], [interval])
                axes.errorbar(
                    place + shift, 100 * rate, [[100 * low[0]], [100 * high[0]]], color="#333", capsize=4
                )
                axes.bar_label(bars, fmt="%.0f %%", label_type="center", color="white", fontsize=9)
        axes.set_xticks(range(len(changes)), list(changes))
        axes.set_ylabel("% of answers")
        axes.legend(handles=axes.containers[:3:2], labels=["before", "after"], frameon=False)

    return svg(draw)


def flags_by_hazard(guarding: Guarding) -> str:
    """How many exchanges each hazard flagged."""

    def draw(axes: Axes) -> None:
        found = sorted(guarding.by_hazard.items(), key=lambda item: item[1])
        names = [HAZARDS.get(hazard, hazard) for hazard, _ in found]
        bars = axes.barh(names, [count for _, count in found], color=MARK)
        axes.bar_label(bars, padding=3)
        axes.set_xlabel("exchanges flagged")

    return svg(draw, height=0.9 + 0.28 * max(4, len(guarding.by_hazard)))


def swap_timeline(answers: Sequence[Answer], flipped_at: float) -> str:
    """Every request of the load by when it began and how long it took; colours are versions."""

    def draw(axes: Axes) -> None:
        versions = list(dict.fromkeys(a.version for a in sorted(answers, key=lambda a: a.ended)))
        for version, colour in zip(versions, (BEFORE, AFTER, MARK, "#666"), strict=False):
            own = [a for a in answers if a.version == version]
            axes.scatter(
                [a.started - flipped_at for a in own], [a.ended - a.started for a in own],
                s=14, color=colour, alpha=0.7, label=version or "failed",
            )  # fmt: skip
        axes.axvline(0, color="#333", linewidth=1, linestyle="--")
        axes.set_xlabel("seconds since the flip (when the request began)")
        axes.set_ylabel("seconds to answer")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=8)

    return svg(draw)


def training(learning: Learning) -> str:
    """DPO's reward margin between chosen and rejected, over its logged steps."""

    def draw(axes: Axes) -> None:
        axes.plot(learning.margins, color=AFTER)
        axes.set_xlabel("logged step")
        axes.set_ylabel("reward margin (chosen less rejected)")

    return svg(draw)


def spread(
    values: Sequence[float], intervals: Sequence[tuple[float, float]]
) -> tuple[list[float], list[float]]:
    """Intervals as the distances below and above that error bars want."""
    below = [max(0.0, value - low) for value, (low, _) in zip(values, intervals, strict=True)]
    above = [max(0.0, high - value) for value, (_, high) in zip(values, intervals, strict=True)]
    return below, above
