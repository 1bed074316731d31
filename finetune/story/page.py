"""A story as one HTML page that needs nothing beside itself: tables, and plots drawn into it."""

from importlib.resources import files
from io import StringIO
from typing import Any

from jinja2 import Environment, StrictUndefined, select_autoescape

from finetune.story.chapters import Chapter, chapters_of
from finetune.story.story import Story

HARMS, PROVES = "#b3261e", "#2e6b1f"  # a bar that rolls a version back, and one that lets it go live


def page_of(story: Story) -> str:
    """The page; everything that was written by people or machines is escaped."""
    chapters = chapters_of(story)
    plots = [plot_of(chapter) if chapter.curves else "" for chapter in chapters]
    environment = Environment(autoescape=select_autoescape(default=True), undefined=StrictUndefined)
    template = environment.from_string((files("finetune.story") / "page.html").read_text())
    return template.render(title=story.version["id"], chapters=chapters, plots=plots)


def plot_of(chapter: Chapter) -> str:
    """The curves of a chapter, each in a panel of its own, as SVG."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second, and only pages want it
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    with mpl.rc_context({"svg.hashsalt": "trimtab", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(9, 1.7 * len(chapter.curves)), layout="constrained")
        panels: Any = figure.subplots(len(chapter.curves), 1, sharex=True, squeeze=False)[:, 0]
        for panel, curve in zip(panels, chapter.curves, strict=True):
            panel.plot(*zip(*curve.points, strict=True), color="#0f6b6b", linewidth=1.4)
            if curve.bar is not None:
                color = PROVES if curve.bar.proves else HARMS
                panel.axhline(curve.bar.log, color=color, linestyle="--", linewidth=0.9)
                panel.set_title(f"- - e-value {curve.bar.told}", loc="right", color=color)
            panel.set_title(curve.name, loc="left")
            panel.spines[["top", "right"]].set_visible(False)
        panels[-1].set_xlabel(chapter.axes[0])
        figure.supylabel(chapter.axes[1], fontsize="medium")
        drawn = StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    text = drawn.getvalue()
    return text[text.index("<svg") :]
