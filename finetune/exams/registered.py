"""What the ledger knows of a frozen dataset."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from finetune.exams.lineage import Standing
from gateway.erasure.learnt import learnt_in
from gateway.ledger.database import Database
from gateway.ledger.learning_tables import DatasetRow, ErasureRow
from gateway.ledger.tables import PairRow

PAGE = 500  # ids in one question


@dataclass(frozen=True, slots=True)
class LedgerRegistrar:
    """Reads datasets and pairs from the ledger."""

    database: Database

    async def standing(self, sha256: str, pairs: Sequence[str]) -> Standing:
        """Whether the dataset is registered, and how many of its pairs were erased: one at least where it is marked."""
        dataset, pair = DatasetRow, PairRow
        async with self.database.read() as connection:
            found = (
                await connection.execute(select(dataset.erased_at).where(dataset.sha256 == sha256))
            ).one_or_none()
            erased = 0
            for start in range(0, len(pairs), PAGE):
                some = pair.id.in_(list(pairs[start : start + PAGE]))
                query = select(func.count()).where(some, pair.erased_at.is_not(None))
                erased += (await connection.execute(query)).scalar_one()
        marked = found is not None and found.erased_at is not None
        return Standing(registered=found is not None, erased=max(erased, int(marked)))

    async def reached(self, version: str) -> bool:
        """Whether an erasure names the version, or what it learnt is marked: it may be registered since, by hand."""
        async with self.database.read() as connection:
            found = await connection.scalars(select(ErasureRow.versions))
            if any(version in versions for versions in found):
                return True
            learnt = (await learnt_in(connection)).get(version, frozenset())
            marked = await connection.scalars(
                select(DatasetRow.sha256).where(DatasetRow.erased_at.is_not(None))
            )
            return not learnt.isdisjoint(marked)
