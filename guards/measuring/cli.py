"""`trimtab guards report`: every guard of a policy on every labelled set that lies in a folder."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from guards.policy.cli import AsJson, PolicyFile, complaints, opened
from guards.policy.cli import out as terminal

if TYPE_CHECKING:
    from guards.measuring.baseline import Shift

Folder = Annotated[
    Path, typer.Option("--data", help="Where the sets lie: public ones, and JSON lines of your own.")
]
Baseline = Annotated[
    Path | None, typer.Option(help="A saved report.json; worse figures end with exit code 1.")
]
Out = Annotated[Path | None, typer.Option(help="Write report.html and report.json into this folder.")]
Limit = Annotated[int | None, typer.Option(min=1, help="So many rows of each set, drawn by lot.")]


def report(
    data: Folder,
    policy: PolicyFile = None,
    baseline: Baseline = None,
    out: Out = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Measure every guard on every set: separation, recall, alarms, calibration, latency, with 95 % intervals.

    A set of your own is any FILE.jsonl in the folder with rows {"text" or "messages", "label" or "unsafe"}, and
    where it knows them "direction", "asked", "hazard", "language".
    """
    from guards.measuring.report import measured, told
    from guards.measuring.sets import sets_in

    read, saved = opened(policy), saved_report(baseline)
    if not data.is_dir():
        complaints.print(f"{data} is no folder", markup=False)
        raise typer.Exit(1)
    found = sets_in(data, limit)
    cards = measured(read, found, say)
    made = told(read, found, cards)
    moved = compared_with(saved, made)
    if out is not None:
        write(out, made, cards, moved)
    if as_json:
        typer.echo(json.dumps(made | ({} if moved is None else {"shifts": [listed(one) for one in moved]})))
    else:
        show(made, moved)
    raise typer.Exit(1 if any(one.worse for one in moved or ()) else 0)


def say(line: str) -> None:
    """Tell on a terminal how far it is."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{line}\n")


def saved_report(path: Path | None) -> dict[str, Any] | None:
    """The saved report; an exit where it is none."""
    if path is None:
        return None
    try:
        saved: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if not isinstance(saved["sets"], dict):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError) as error:
        complaints.print(f"{path} is no report of `trimtab guards report`", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    return saved


def compared_with(saved: dict[str, Any] | None, made: dict[str, Any]) -> "list[Shift] | None":
    """What has moved beyond its interval; says which sets are not measured any more."""
    from guards.measuring.baseline import gone, shifts

    if saved is None:
        return None
    for name in gone(saved, made):
        complaints.print(f"{name} is in the saved report and not here: it is not compared", markup=False)
    return shifts(saved, made)


def write(folder: Path, made: Mapping[str, Any], cards: Any, moved: "list[Shift] | None") -> None:
    """report.json, and report.html where it can be drawn."""
    from guards.measuring.plots import PlotsMissing
    from guards.measuring.report import write_page

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    try:
        write_page(folder / "report.html", made, cards, moved)
    except PlotsMissing as error:
        complaints.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


def show(made: Mapping[str, Any], moved: "Sequence[Shift] | None") -> None:
    """A table for each set, and what has moved."""
    from guards.measuring.report import HEAD, figure_rows, shift_row

    for name, own in made["sets"].items():
        rows = [row for guard, figures in own.items() for row in figure_rows(guard, figures)]
        print_table(terminal, name, HEAD, rows)
    for name, why in made["skipped"].items():
        terminal.print(f"{name} is skipped: {why}", markup=False, soft_wrap=True)
    if moved is not None:
        head = ("what", "then", "now", "")
        print_table(terminal, "beside the saved report", head, [shift_row(one) for one in moved])


def print_table(console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table under its title."""
    table = Table(*head, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    console.print(f"\n{title}", markup=False)
    console.print(table)


def listed(one: "Shift") -> dict[str, Any]:
    """A shift as JSON has it."""
    return {"where": list(one.where), "before": one.before, "after": one.after, "worse": one.worse}
