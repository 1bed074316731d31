"""What lies about in a home and may hold people's words: it goes once nothing names it, or an erasure came after it.

An erasure marks the datasets that the ledger knows. Texts lie in other files too: in candidates that were drawn, in
datasets that nobody entered, beside the checkpoints of a training, in what its processes printed. What of these holds
which subject nobody has written down, so that whatever is older than an erasure goes, unless somebody works with it.
"""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Text, cast, select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.pairs.kept import erased_among
from finetune.train.checkpoints import given_back, locked
from gateway.ledger.database import Database
from gateway.ledger.learning_tables import DatasetRow, ErasureRow
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, VersionRow

GRACE_SECONDS = 600.0  # that a file may take to be written, and processes may be silent
KEPT_SECONDS = 7 * 86_400.0  # that what nothing names stays, for somebody to go on with it
NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Named:
    """What the ledger says of files; moments are seconds since 1970."""

    marked: dict[str, Path]  # datasets that hold something erased
    datasets: frozenset[str]
    learnt: frozenset[str]  # datasets that versions name, the ledger's and files that people gave
    drawn: frozenset[Path]  # candidates of runs under way
    erased: float  # when the latest erasure was
    reached: float  # when the latest was that reached a dataset

    def left(self, path: Path, erased: float) -> bool:
        """Whether a file is older than an erasure, or than anything is kept that nothing names."""
        changed = last_change(path)
        return changed <= erased or changed < time.time() - KEPT_SECONDS


async def sweep(database: Database, home: Path) -> list[Path]:
    """Remove what of a home's files holds something erased, or is left of what nobody goes on with; what went.

    The rows of datasets stay, and say what they held. What is in use stays: by its lock, by the ledger, or by signs
    of life. Safe beside others who sweep, freeze and train.
    """
    async with database.read() as connection:
        named = await named_in(connection)
    gone = removed(path for path in named.marked.values() if path.is_file())
    gone += await drawn_swept(database, home / "drawn", named)
    gone += await datasets_swept(database, home, named)
    gone += await asyncio.to_thread(checkpoints_swept, home / "checkpoints", named)
    return gone + await asyncio.to_thread(executors_swept, home / "executors", named)


async def named_in(connection: AsyncConnection) -> Named:
    """What the ledger names now."""
    datasets = list(
        await connection.execute(select(DatasetRow.sha256, DatasetRow.path, DatasetRow.erased_at))
    )
    lineages = await connection.scalars(select(VersionRow.lineage))
    run, step = RetrainingRow, RetrainingStepRow
    draws = select(step.evidence).join(run, run.id == step.retraining_id)
    draws = draws.where(run.running == 1, step.step == "draw", step.state == "done")
    moments = select(ErasureRow.created_at).order_by(ErasureRow.created_at.desc()).limit(1)
    latest = await connection.scalar(moments)
    reaching = await connection.scalar(moments.where(cast(ErasureRow.datasets, Text) != "[]"))
    return Named(
        marked={row.sha256: Path(row.path) for row in datasets if row.erased_at is not None},
        datasets=frozenset(row.sha256 for row in datasets),
        learnt=frozenset(str(each.get("dataset")) for each in lineages),
        drawn=frozenset(Path(each["path"]) for each in await connection.scalars(draws) if "path" in each),
        erased=latest.timestamp() if latest else NEVER,
        reached=reaching.timestamp() if reaching else NEVER,
    )


async def drawn_swept(database: Database, folder: Path, named: Named) -> list[Path]:
    """Candidates that answer somebody who was erased, whenever they were written down; and those that are old."""
    gone = await asyncio.to_thread(parts_swept, folder)
    for file in folder.glob("*.jsonl"):
        exchanges = await asyncio.to_thread(exchanges_in, file)
        async with database.read() as connection:
            theirs = await erased_among(connection, exchanges)
        old = last_change(file) <= named.erased if file in named.drawn else named.left(file, named.erased)
        gone += removed([file] if theirs or old else [])
    return gone


def exchanges_in(file: Path) -> set[str]:
    """The exchanges whose conversations a file of drawn candidates holds; of one that cannot be read, none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return {str(json.loads(line)["exchange_id"]) for line in file.read_bytes().splitlines()}
    return set()


async def datasets_swept(database: Database, home: Path, named: Named) -> list[Path]:
    """Datasets that the ledger does not know: a kill came before they were entered, or they are copies of files.

    In a transaction that writes: whoever enters a dataset looks for its file in another, before this or after it.
    """
    folder = home / "datasets"
    gone = await asyncio.to_thread(parts_swept, folder)
    old = [
        file
        for file in folder.glob("*.jsonl")
        if file.stem not in named.datasets
        and (
            last_change(file) <= named.erased if file.stem in named.learnt else named.left(file, named.erased)
        )
    ]
    if not old or await asyncio.to_thread(somebody_trains, home / "checkpoints"):
        return gone
    async with database.write() as connection:
        known = set(await connection.scalars(select(DatasetRow.sha256)))
        return gone + await asyncio.to_thread(removed, [file for file in old if file.stem not in known])


def parts_swept(folder: Path) -> list[Path]:
    """Files whose writing a kill broke off."""
    return removed(file for file in folder.glob("*.part") if idle(file))


def checkpoints_swept(folder: Path, named: Named) -> list[Path]:
    """What trainings left that nobody goes on with.

    Rows are texts, and written again by whoever goes on; weights are kept until an erasure reaches any dataset.
    """
    gone: list[Path] = []
    for place in folder.glob("*"):
        if place.is_dir():
            gone += while_free(place, partial(place_swept, place, named)) or []
    return gone


def place_swept(place: Path, named: Named) -> list[Path]:
    """One training's folder, or of it the rows alone."""
    if named.left(place, named.reached):
        return removed([place])
    rows = place / "rows"
    return removed([rows] if rows.exists() and (last_change(rows) <= named.erased or idle(rows)) else [])


def somebody_trains(folder: Path) -> bool:
    """Whether any training holds its checkpoints."""
    return any(while_free(lock, list) is None for lock in folder.glob("*.lock"))


def while_free(place: Path, work: Callable[[], list[Path]]) -> list[Path] | None:
    """What comes of work on a training's folder while nobody trains in it; None where somebody does."""
    lock = place.with_suffix(".lock")
    try:
        handle = locked(lock)
    except OSError:  # nobody can say
        return None
    if handle is None:
        return None
    try:
        return work()
    finally:
        given_back(lock, handle)


def executors_swept(folder: Path, named: Named) -> list[Path]:
    """What trainings in other processes left: a job may hold a password, and what was printed words of the data."""
    gone: list[Path] = []
    for place in folder.glob("*"):
        if place.is_dir() and idle(place):  # one that is waited for is touched all the time
            gone += removed([place] if named.left(place, named.erased) else place.glob("job.json"))
    return gone


def idle(path: Path) -> bool:
    """Whether nothing was written there for a while."""
    return last_change(path) < time.time() - GRACE_SECONDS


def last_change(path: Path) -> float:
    """When a file, or anything in a folder, was last written; of what is gone meanwhile, now."""
    found = NEVER
    for each in (path, *(path.rglob("*") if path.is_dir() else ())):
        with suppress(OSError):
            found = max(found, each.lstat().st_mtime)
    return time.time() if found == NEVER else found


def removed(paths: Iterable[Path]) -> list[Path]:
    """Remove files and folders; those that went."""
    gone = []
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # others may be at it too
        else:
            path.unlink(missing_ok=True)
        gone += [] if path.exists() else [path]
    return gone
