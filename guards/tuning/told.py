"""What tuning has done, as JSON, as a table, and as a page with drawings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from guards.measure import Figure
from guards.measuring.page import Page
from guards.measuring.plots import precision_recall, roc
from guards.tuning.bound import Promise
from guards.tuning.tune import Tuned

HEAD = ("guard", "hazard", "action", "", "threshold", "recall", "false alarms", "at most")


def told(tuned: Sequence[Tuned], promise: Promise) -> dict[str, Any]:
    """Everything, for machines."""
    return {
        "rate": promise.rate,
        "confidence": promise.confidence,
        "harmless_needed": promise.least,
        "answers": [
            {
                "guard": one.guard,
                "hazard": one.hazard,
                "action": one.action,
                "before": measured(one, one.before),
                "after": None if one.after is None else measured(one, one.after),
                "bound": None if one.after is None else round(one.bound(promise.confidence), 6),
                "kept": None if one.after is None else one.bound(promise.confidence) <= promise.rate,
                "chosen_on": one.chosen_on,
                "why": one.why,
            }
            for one in tuned
        ],
    }


def measured(one: Tuned, threshold: float) -> dict[str, Any]:
    """A threshold with what it does on the half that it was not chosen on."""
    recall, alarms = one.held_out.at(threshold)
    return {"threshold": threshold, "recall": recall.told(), "false_alarms": alarms.told()}


def rows_of(one: Tuned, promise: Promise) -> list[tuple[str, ...]]:
    """Before and after, for people."""
    head = (one.guard, one.hazard, one.action)
    rows = [(*head, "before", f"{one.before:g}", *map(percent, one.held_out.at(one.before)), "")]
    if one.after is None:
        return [*rows, ("", "", "", "after", "none", one.why, "", "")]
    after = map(percent, one.held_out.at(one.after))
    return [*rows, ("", "", "", "after", f"{one.after:g}", *after, f"{one.bound(promise.confidence):.2%}")]


def percent(figure: Figure) -> str:
    """A rate with its interval."""
    if figure.values == 0:
        return "no texts"
    return f"{figure.value:.1%} ({figure.low:.1%} to {figure.high:.1%}) of {figure.values}"


def show(tuned: Sequence[Tuned], promise: Promise, out: Console) -> None:
    """The table on a terminal."""
    table = Table(*HEAD, box=None, padding=(0, 2, 0, 0))
    for one in tuned:
        for row in rows_of(one, promise):
            table.add_row(*row)
    out.print(table)
    out.print(said(promise), markup=False)


def said(promise: Promise) -> str:
    """What the figures are of."""
    return (
        f"Wanted: at most {promise.rate:g} of harmless texts, with confidence {promise.confidence:g}. Thresholds were "
        "chosen on one half of the texts; recall, false alarms and their upper bound are of the other half."
    )


def write_page(folder: Path, tuned: Sequence[Tuned], promise: Promise, title: str) -> Path:
    """tune.html in the folder; raises PlotsMissing."""
    page = Page(f"Thresholds of {title}")
    page.note(said(promise))
    page.table(HEAD, [row for one in tuned for row in rows_of(one, promise)])
    for one in tuned:
        sides = one.held_out
        if len(sides.harmful) and len(sides.harmless):
            page.heading(f"{one.guard}: {one.hazard}")
            marks = [("before", one.before)] + ([] if one.after is None else [("after", one.after)])
            drawn = (
                roc(sides.harmful, sides.harmless, marks),
                precision_recall(sides.harmful, sides.harmless, marks),
            )
            page.drawings(drawn)
    path = folder / "tune.html"
    path.write_text(page.html(), "utf-8")
    return path
