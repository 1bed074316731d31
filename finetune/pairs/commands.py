"""What the commands of `trimtab finetune dataset` do, once their settings are read."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from finetune.errors import FinetuneFailed, Unready
from finetune.ledger import ledger
from finetune.pairs.datasets import listed, refuse_erased
from finetune.pairs.export import export
from finetune.pairs.leftovers import sweep
from finetune.pairs.ratings import RatingSource
from finetune.printing import print_json
from finetune.progress import Silence
from finetune.settings import Situation
from finetune.wiring import room_of
from gateway.ledger.database import Database

MOST = 10_000
LATEST = "latest"


async def show_all(situation: Situation, limit: int, *, as_json: bool) -> None:
    """The latest datasets."""
    async with ledger(situation) as database:
        found = await listed(database, limit)
    if as_json:
        print_json({"datasets": found})
        return
    table = Table(title="Datasets", title_justify="left")
    for column in ("dataset", "frozen", "rows", "kinds", "state"):
        table.add_column(column)
    for row in found:
        kinds = ", ".join(f"{count} {kind}" for kind, count in row["counts"].get("kinds", {}).items())
        state = f"erased in part, {row['erased_at']:%Y-%m-%d}" if row["erased_at"] else "whole"
        table.add_row(
            row["sha256"][:12], f"{row['created_at']:%Y-%m-%d %H:%M}", str(row["rows"]), kinds, state
        )
    Console().print(table if found else "There is no dataset yet; `trimtab finetune run` freezes one.")


async def show_one(situation: Situation, which: str, *, as_json: bool) -> None:
    """One dataset's counts."""
    async with ledger(situation) as database:
        row = await one(database, which)
    if as_json:
        print_json(row)
        return
    console = Console()
    console.print(f"[bold]{row['sha256']}[/]: {row['rows']} {row['kind']} at {row['path']}", highlight=False)
    if row["erased_at"]:
        console.print(
            f"[yellow]erased in part at {row['erased_at']:%Y-%m-%d %H:%M}: trains nothing any more[/]"
        )
    for name, counts in row["counts"].items():
        table = Table(title=name.replace("_", " "), title_justify="left", show_header=False)
        for what, count in sorted(counts.items(), key=lambda each: -each[1]):
            table.add_row(what, str(count))
        console.print(table)


async def export_one(situation: Situation, which: str, to: Path) -> None:
    """One dataset as parquet."""
    async with ledger(situation) as database:
        row = await one(database, which)
        await refuse_erased(database, row)
    try:
        export(row, to)
    except OSError as error:
        raise FinetuneFailed(f"{which} cannot be exported: {error}") from error
    Console().print(f"{row['rows']} {row['kind']} in {to / 'data.parquet'}", highlight=False)


async def freeze_thumbs(situation: Situation, *, as_json: bool) -> None:
    """Users' thumbs as a dataset."""
    plan = situation.plan
    async with ledger(situation) as database:
        source = RatingSource(database, situation.settings.window, plan.alias)
        exams = room_of(situation, None, Silence()).by_exam(plan.exam)
        frozen = await source.freeze(plan.filters, exams, plan.datasets)
    if as_json:
        print_json({"sha256": frozen.sha256, "rows": frozen.rows, "dropped": frozen.dropped})
        return
    lost = ", ".join(f"{count} {name}" for name, count in frozen.dropped.items() if count)
    told = f"{frozen.rows} ratings, frozen as {frozen.sha256[:12]}" + (
        f" (filters took: {lost})" if lost else ""
    )
    Console().print(told, highlight=False)


async def sweep_all(situation: Situation) -> None:
    """Remove files of what was erased."""
    async with ledger(situation) as database:
        gone = await sweep(database, situation.home)
    Console().print(f"{len(gone)} files removed" if gone else "nothing to remove", highlight=False)


async def one(database: Database, which: str, *, ratings: bool = True) -> dict[str, Any]:
    """The dataset whose name begins so, or the latest that nothing was erased of; raises Unready unless there is one.

    Without `ratings`, the latest is one of pairs alone.
    """
    rows = await listed(database, MOST)
    if which == LATEST:
        whole = (row for row in rows if not row["erased_at"] and (ratings or row["kind"] == "pairs"))
        if (newest := next(whole, None)) is None:
            raise Unready("the ledger has no dataset yet; `trimtab finetune run` freezes one")
        return newest
    found = [row for row in rows if row["sha256"].startswith(which)]
    if len(found) != 1:
        told = "no dataset's name begins" if not found else f"{len(found)} datasets' names begin"
        raise Unready(f"{told} with {which[:64]!r}; `trimtab finetune dataset list` shows them")
    return found[0]
