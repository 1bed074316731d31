"""What versions learnt from: by their lineage, and by the runs that trained the very files that they are.

Whoever registers a version by hand need not say where it comes from. Its digest does, where a run trained those files.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, VersionRow

LAST = "last"  # the anchor of what started from its parent


@dataclass(frozen=True, slots=True)
class Making:
    """That a run trained files of some digest."""

    run: str
    digest: str
    dataset: str | None
    started_from: str | None  # a version; None is the bare base


async def makings(connection: AsyncConnection, digest: str | None = None) -> list[Making]:
    """Every training of a run that the ledger holds, or those of one digest, the latest first."""
    run, train = RetrainingRow, aliased(RetrainingStepRow)
    data, live = aliased(RetrainingStepRow), aliased(RetrainingStepRow)
    trained = train.evidence["digest"].as_string()
    told = (
        run.id,
        trained,
        data.evidence["sha256"].as_string(),
        live.evidence["version"].as_string(),
        run.parameters[("recipe", "anchor")].as_string(),
    )
    query = select(*told).join(train, (train.retraining_id == run.id) & (train.step == "train"))
    query = query.outerjoin(data, (data.retraining_id == run.id) & (data.step == "dataset"))
    query = query.outerjoin(live, (live.retraining_id == run.id) & (live.step == "live"))
    query = query.where(train.state == "done", trained.is_not(None) if digest is None else trained == digest)
    found = await connection.execute(query.order_by(run.created_at.desc(), run.id))
    return [
        Making(made, made_of, dataset, version if anchor == LAST else None)
        for made, made_of, dataset, version, anchor in found
    ]


async def learnt_in(connection: AsyncConnection) -> dict[str, frozenset[str]]:
    """The datasets that each version learnt, itself or before it by what it started from."""
    made: dict[str, list[Making]] = defaultdict(list)
    for each in await makings(connection):
        made[each.digest].append(each)
    learnt: dict[str, set[str]] = {}
    starts: dict[str, set[str | None]] = {}
    for row in await connection.execute(select(VersionRow.id, VersionRow.parent, VersionRow.lineage)):
        runs = made.get(str(row.lineage.get("digest")), [])
        named = (row.lineage.get("dataset"), *(each.dataset for each in runs))
        learnt[row.id] = {each for each in named if isinstance(each, str)}
        starts[row.id] = {each.started_from for each in runs}
        starts[row.id] |= {row.parent} if row.lineage.get("anchor") == LAST else set()
    return inherited(learnt, starts)


def inherited(
    learnt: Mapping[str, Collection[str]], starts: Mapping[str, Collection[str | None]]
) -> dict[str, frozenset[str]]:
    """The same with what each version's start had learnt, and the start's start, and so on."""
    found = {version: frozenset(datasets) for version, datasets in learnt.items()}
    while True:
        none: frozenset[str] = frozenset()
        grown = {
            version: datasets.union(*(found.get(start or "", none) for start in starts[version]))
            for version, datasets in found.items()
        }
        if grown == found:
            return found
        found = grown
