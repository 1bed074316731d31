"""What `trimtab finetune explain` and `versions` do, once their settings are read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from finetune.ledger import ledger
from finetune.pairs.dataset import write_whole
from finetune.printing import print_json
from finetune.settings import Situation
from finetune.story.chapters import Chapter, chapters_of
from finetune.story.kept_out import story_by
from finetune.story.story import versions_in, when


async def explain(situation: Situation, version: str, html: Path | None, *, as_json: bool) -> None:
    """The story of a version: on the screen, as a page, or for machines."""
    async with ledger(situation) as database:
        story = await story_by(database, version)
    if html is not None:
        from finetune.story.page import page_of  # noqa: PLC0415 - draws, and is slow to import

        write_whole(html, page_of(story).encode())
    if as_json:
        print_json(story.document())
        return
    console = Console()
    if html is not None:
        console.print(f"{version} is told in {html}", highlight=False, markup=False, soft_wrap=True)
        return
    for chapter in chapters_of(story):
        print_chapter(console, chapter)


def print_chapter(console: Console, chapter: Chapter) -> None:
    """One chapter; of curves, where they began and where they ended."""
    console.print(f"\n[bold]{escape(chapter.title)}[/]", highlight=False)
    console.print(escape(chapter.lead), highlight=False)
    if chapter.rows:
        table = Table(show_header=bool(chapter.head), title_justify="left")
        for name in chapter.head or chapter.rows[0]:
            table.add_column(name if chapter.head else "", overflow="fold")
        for row in chapter.rows:
            table.add_row(*map(escape, row))
        console.print(table)
    for curve in chapter.curves if not chapter.rows else ():
        first, last = curve.points[0], curve.points[-1]
        console.print(f"  {curve.name}: {first[1]:+.3f} → {last[1]:+.3f}", highlight=False)


async def show_versions(situation: Situation, *, as_json: bool) -> None:
    """Every version."""
    async with ledger(situation) as database:
        found = await versions_in(database)
    if as_json:
        print_json({"versions": found})
        return
    table = Table(title="Versions", title_justify="left")
    for column in ("version", "state", "share", "made", "pairs", "parent"):
        table.add_column(column, overflow="fold")
    for each in found:
        shares = ", ".join(f"{share:.0%} of {alias}" for alias, share in each["weights"].items())
        pairs = str(each["lineage"].get("pairs", ""))
        table.add_row(
            each["id"], standing_of(each), shares, when(each["created_at"]), pairs, each["parent"] or ""
        )
    Console().print(table)


def standing_of(version: Mapping[str, Any]) -> str:
    """Where a version stands for people: what traffic it has, else its state."""
    most = max(version["weights"].values(), default=0.0)
    if not most:
        return str(version["state"])
    return "live" if most == 1 else f"canary {most:.0%}"
