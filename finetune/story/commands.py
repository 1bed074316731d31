"""What `trimtab finetune explain` and `versions` do, once their settings are read."""

from pathlib import Path

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
    for chapter in chapters_of(story):
        print_chapter(console, chapter)
    if html is not None:
        console.print(f"page: {html}", highlight=False)


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
            each["id"], each["state"], shares, when(each["created_at"]), pairs, each["parent"] or ""
        )
    Console().print(table)
