"""A subject is erased in the middle of the loop: what is frozen afterwards, and what is named.

python -m tests.bench.loop erasure
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from finetune.pairs.filters import FilterRules
from finetune.pairs.leftovers import sweep
from finetune.pairs.make import MakeRules
from finetune.pairs.sources import PairSource
from gateway.erasure.erase import erase
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.tables import VersionRow
from tests.fakes.exchanges import benign, harmful

EXCHANGES, SUBJECTS, ERASED = 400, 40, 10
MAKE, FILTERS = MakeRules(margin_sd=0.5), FilterRules(near_duplicate=1.0, subject_share=1.0)


def measure(quick: bool) -> dict[str, Any]:
    """How many of the erased subjects' texts are in a later dataset, and how many versions went unnamed."""
    with tempfile.TemporaryDirectory() as folder:
        left, unnamed, before, after = asyncio.run(erased(Path(folder)))
    how = f"{ERASED} of {SUBJECTS} subjects erased; {before} pairs frozen before, {after} after"
    return {
        "erased_pairs_frozen_later": {"value": left, "bar": 0, "met": left == 0, "how": how},
        "affected_versions_unnamed": {"value": unnamed, "bar": 0, "met": unnamed == 0, "how": how},
    }


async def erased(folder: Path) -> tuple[int, int, int, int]:
    """Freeze, train in name, erase, gather and freeze again."""
    async with Database(f"sqlite:///{folder}/ledger.db") as database:
        makers = (harmful, benign)
        exchanges = [
            makers[i % 2](1009 * i + i % 7, subject=f"subject-{i % SUBJECTS}") for i in range(EXCHANGES)
        ]
        await Intake(database).take(exchanges)
        source = PairSource(database)
        await source.gather(MAKE)
        first = await source.freeze(FILTERS, {}, folder)
        async with database.write() as connection:
            version = {"base": "m", "state": "staged", "created_at": exchanges[0].created_at}
            lineage = {"dataset": first.sha256}
            await connection.execute(insert(VersionRow).values(id="v1", lineage=lineage, **version))
        names = [f"subject-{i}" for i in range(ERASED)]
        found = [await erase(database, name, "asked to", "bench") for name in names]
        await sweep(database, folder)
        await source.gather(MAKE)
        second = await source.freeze(FILTERS, {}, folder)
        theirs = {exchange.id for exchange in exchanges if exchange.subject in names}
        left = sum(each in second.path.read_text() for each in theirs)
        unnamed = sum(each.versions != ["v1"] for each in found) + first.path.exists()
    return left, unnamed, first.pairs, second.pairs
