"""A report for people: one page that needs nothing beside it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from rewardserve.reporting.plots import accuracies, by_length, margins
from rewardserve.scored_pairs import ScoredPair

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; text-align: left; border-bottom: 1px solid #ddd }
th { font-weight: 600 } td + td { text-align: right } .note { color: #666 } svg { max-width: 100%; height: auto }
.drawings { display: flex; flex-wrap: wrap; gap: 1rem }
@media (prefers-color-scheme: dark) { body { background: #fff } }
"""
HEAD = ("subset", "figure", "value", "95 % interval", "pairs")


def page_of(report: Mapping[str, Any], scored: Sequence[ScoredPair]) -> str:
    """The page; raises PlotsMissing."""
    title = f"Reward model {report['model']} on {report['pairs']} pairs"
    drawn = "".join((accuracies(report), margins(scored), by_length(scored)))
    note = (
        "Accuracy is the share of pairs whose better answer has the larger reward, a tie being a half. Pairs of one "
        "length differ by at most a tenth in words: there, length cannot help. "
        f"{report['refused']} pairs were left out, which the model cannot read."
    )
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">{escape(note)}</p>',
        table(HEAD, rows_of(report)),
        f'<div class="drawings">{drawn}</div>',
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def rows_of(report: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Every figure as a row of a table."""
    for name, figures in {"all": report["all"], **report["subsets"]}.items():
        for figure, one in figures.items():
            yield row_of(name, figure, one)
    yield row_of("mean of subsets", "accuracy", report["mean_of_subsets"])


def row_of(name: str, figure: str, one: Mapping[str, float]) -> tuple[str, ...]:
    """One figure."""
    interval = f"{one['low']:.3f} to {one['high']:.3f}"
    return (name, figure.replace("_", " "), f"{one['value']:.3f}", interval, str(one["values"]))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, all text escaped."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
