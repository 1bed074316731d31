"""Every guard of a policy on every set, as one report and one page."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from guards.exam_sets import HARMLESS
from guards.measure import Scores
from guards.measuring.baseline import Shift
from guards.measuring.card import Card, card_of
from guards.measuring.hearing import hear_all
from guards.measuring.page import Page
from guards.measuring.plots import precision_recall, reliability, roc
from guards.measuring.sets import Found, MeasuredSet
from guards.policy.load import GuardPolicy

Told = dict[str, Any]
Cards = dict[str, dict[str, Card]]
Say = Callable[[str], None]
HEAD = ("guard", "figure", "value", "95 % interval", "texts")


def measured(policy: GuardPolicy, found: Found, say: Say = lambda _: None) -> Cards:
    """A card for each set and each guard that reads any of its rows."""
    cards: Cards = {}
    harmless: dict[str, Scores] = {}
    for one in found.sets:
        say(f"{one.name}: {len(one.rows):,} rows")
        cards[one.name] = dict(on_set(policy, one, harmless))
    return cards


def on_set(policy: GuardPolicy, one: MeasuredSet, harmless: dict[str, Scores]) -> Iterator[tuple[str, Card]]:
    """Each guard's card; notes what it says of the harmless instructions, which other sets are told apart from."""
    names = [plan.rule.id for plan in policy.plans]
    for heard in hear_all(policy, [each.row for each in one.rows], names):
        name = heard.rule.id
        if one.name == HARMLESS.name:
            harmless[name] = heard.score()[heard.mine]
        if heard.mine.any() or heard.failed:
            stand_in = harmless.get(name, np.zeros(0)) if one.against else None
            yield name, card_of(heard, one.rows, stand_in)


def told(policy: GuardPolicy, found: Found, cards: Cards) -> Told:
    """The report for machines."""
    remarks = {one.name: one.remark for one in found.sets if one.remark}
    return {
        "policy": {"name": policy.name, "version": policy.version, "hash": policy.hash},
        "sets": {name: {guard: card.figures for guard, card in own.items()} for name, own in cards.items()},
        "remarks": remarks,
        "skipped": found.skipped,
        "left_out": [f"{name}: learnt from" for name in found.learnt],
    }


def write_page(path: Path, report: Mapping[str, Any], cards: Cards, shifts: list[Shift] | None) -> None:
    """The report for people; raises PlotsMissing."""
    policy = report["policy"]
    page = Page(f"Guards of {policy['name']} version {policy['version']}")
    page.note(
        f"Policy {policy['hash'][:16]}. An alarm is a score from which anything follows in this policy."
    )
    if shifts is not None:
        page.heading("Beside the saved report")
        page.table(("what", "then", "now", ""), map(shift_row, shifts))
    for name, own in cards.items():
        page.heading(name)
        if name in report["remarks"]:
            page.note(report["remarks"][name])
        page.table(HEAD, [row for guard, card in own.items() for row in figure_rows(guard, card.figures)])
        for guard, card in own.items():
            if len(card.harmful) and len(card.harmless):
                page.heading(guard, 3)
                page.drawings(drawn(card))
    page.heading("Not measured")
    page.table(("set", "why"), [*report["skipped"].items()])
    page.note("Left out, for the bundled classifier has learnt from them: " + "; ".join(report["left_out"]))
    path.write_text(page.html(), "utf-8")


def drawn(card: Card) -> Iterator[str]:
    """The drawings of one card."""
    yield roc(card.harmful, card.harmless)
    yield precision_recall(card.harmful, card.harmless)
    if card.bins:
        yield reliability(card.bins)


def figure_rows(name: str, figures: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A card's figures as rows of a table."""
    for figure, one in figures.items():
        if isinstance(one, dict) and "value" in one:
            yield (
                name,
                figure,
                f"{one['value']:.3f}",
                f"{one['low']:.3f} to {one['high']:.3f}",
                str(one["values"]),
            )
        elif figure == "latency_ms":
            yield (name, "latency", f"{one['p50']:.3f} ms", f"p99 {one['p99']:.3f} ms", "")
        elif isinstance(one, dict):
            for part, parted in one.items():
                yield from figure_rows(f"{name}, {part}", parted)
        elif figure == "failed" and one:
            yield (name, "failed", str(one), "", "")


def shift_row(shift: Shift) -> tuple[str, ...]:
    """One figure that has moved."""
    word = "worse" if shift.worse else "better"
    return (" · ".join(shift.where), f"{shift.before:.3f}", f"{shift.after:.3f}", word)
