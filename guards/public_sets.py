"""All public sets that the guard classifier may learn from: requests, answers, and texts that are neither."""

from collections.abc import Iterator
from pathlib import Path

from guards.datasets import PUBLIC_SETS, PublicSet, Row
from guards.text_sets import TEXT_SETS


def found_sets(folder: Path | None) -> list[PublicSet]:
    """Those of the sets that lie under the folder."""
    every = (*PUBLIC_SETS, *TEXT_SETS)
    return [] if folder is None else [one for one in every if (folder / one.folder).is_dir()]


def read_rows(folder: Path, chosen: list[PublicSet]) -> Iterator[Row]:
    """All rows of the chosen sets that have any words."""
    for one in chosen:
        yield from (row for row in one.read(folder / one.folder) if row.prompt.strip())
