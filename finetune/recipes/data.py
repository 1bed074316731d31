"""What a recipe is to learn: a dataset that the ledger knows, or a file of rows, made one that never changes."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import ArrowException, parquet

from finetune.errors import DataInvalid, DatasetDamaged, FinetuneFailed
from finetune.ledger import ledger
from finetune.pairs.commands import LATEST, one
from finetune.pairs.dataset import Dataset, thaw, write_whole
from finetune.pairs.datasets import refuse_erased
from finetune.recipes.rows import NoRow, RowsRefused, rows_for
from finetune.settings import Situation


@dataclass(frozen=True, slots=True)
class Found:
    """A dataset, and its bytes where they are not written yet."""

    dataset: Dataset
    source: str  # for people
    data: bytes | None = None

    def kept(self) -> Dataset:
        """The dataset, on disk, and written now: a sweep must not take it for what an earlier training left."""
        if self.data is not None:
            write_whole(self.dataset.path, self.data)
        return self.dataset


async def found(situation: Situation, told: str, method: str) -> Found:
    """A dataset by its file, by the beginning of its name in the ledger, or the latest; writes nothing.

    Raises DataInvalid where it is not what the method learns from, or FinetuneFailed.
    """
    if told != LATEST and (path := Path(told)).suffix in READERS:
        return imported(path, method, situation.home / "datasets")
    async with ledger(situation) as database:
        row = await one(database, told, ratings=method == "kto")
        await refuse_erased(database, row)
    if row["kind"] != "pairs" and method != "kto":
        raise FinetuneFailed(
            f"dataset {row['sha256'][:12]} holds ratings, which method kto alone learns from"
        )
    return Found(frozen(row), f"dataset {row['sha256'][:12]} of the ledger")


def frozen(row: dict[str, Any]) -> Dataset:
    """A dataset of the ledger's, whole; raises FinetuneFailed."""
    name, path = row["sha256"][:12], Path(row["path"])
    try:
        thaw(path)
    except OSError as error:
        raise DatasetDamaged(f"dataset {name} cannot be read: {error}") from None
    counts = row["counts"]
    rated = sum(counts.get("labels", {}).values())
    kinds, dropped = counts.get("kinds", {}), counts.get("dropped", {})
    return Dataset(path, row["sha256"], row["rows"] - rated, kinds, dropped, rated)


def imported(path: Path, method: str, folder: Path) -> Found:
    """A file's rows as a dataset to be; raises DataInvalid naming file, row and column."""
    try:
        rows = rows_for(method, READERS[path.suffix](path))
    except RowsRefused as refused:
        raise DataInvalid(told_of(path, refused)) from None
    except (OSError, ValueError, ArrowException) as error:
        raise DataInvalid(f"{path} cannot be read: {error}") from None
    if not rows:
        raise DataInvalid(f"{path} holds no rows")
    lines = (json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for row in rows)
    data = "".join(f"{line}\n" for line in lines).encode()
    digest = hashlib.sha256(data).hexdigest()
    dataset = Dataset(folder / f"{digest}.jsonl", digest, len(rows), {}, {})
    return Found(dataset, f"{len(rows)} rows of {path}", data)


def told_of(path: Path, refused: RowsRefused) -> str:
    """The rows that cannot be learnt, one a line."""
    told = [f"{path}, {each}" for each in refused.first]
    return "\n".join([*told, f"and {refused.more} more"] if refused.more else told)


def lines_of(path: Path) -> Iterator[tuple[str, Any]]:
    """The rows of a file of JSON lines, each with its line."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"line {number}", row_of(line)


def row_of(line: str) -> Any:
    """What a line holds."""
    try:
        return json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        return NoRow(f"no JSON: {error}")


def columns_of(path: Path) -> Iterator[tuple[str, Any]]:
    """The rows of a parquet file, each with its number."""
    with parquet.ParquetFile(path) as file:
        rows = (row for batch in file.iter_batches() for row in batch.to_pylist())
        yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))


READERS = {".jsonl": lines_of, ".parquet": columns_of}
