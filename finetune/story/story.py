"""Everything that the ledger knows of a version, gathered; what it does not know is left out, not made up."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Text, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.errors import StoryUnknown
from finetune.rollout.reading import PAIRING
from gateway.erasure.learnt import learnt_in, makings
from gateway.ledger.database import Database
from gateway.ledger.learning_tables import DatasetRow, ErasureRow
from gateway.ledger.rollout_tables import RolloutEvidenceRow, RolloutRow
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, RouteRow, TransitionRow, VersionRow

MOST = 200
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """One version's story."""

    version: Json
    weights: dict[str, float]  # alias → the share that it has now
    heirs: list[str]
    run: Json | None = None  # the retraining that made it
    steps: Mapping[str, Json] = field(default_factory=dict)  # their evidence, by step
    dataset: Json | None = None
    erasures: list[Json] = field(default_factory=list)  # that reached what it was trained on
    rollouts: list[Json] = field(default_factory=list)  # each with its tests
    moves: list[Json] = field(default_factory=list)  # of the audit trail, oldest first

    def document(self) -> Json:
        """As JSON."""
        return {name: getattr(self, name) for name in Story.__slots__}


async def story_of(database: Database, version: str) -> Story:
    """The story of a version; raises StoryUnknown."""
    async with database.read() as connection:
        found = await rows(connection, select(*VersionRow.__table__.columns).where(VersionRow.id == version))
        if not found:
            raise StoryUnknown(
                f"there is no version {version[:80]!r}; `trimtab finetune versions` lists them"
            )
        lineage = found[0]["lineage"]
        run_id, dataset = await origin_of(connection, lineage)
        runs = await rows(
            connection, select(*RetrainingRow.__table__.columns).where(RetrainingRow.id == run_id)
        )
        rollouts = await rollouts_of(connection, version)
        children = select(VersionRow.id).where(VersionRow.parent == version)
        return Story(
            version=found[0],
            weights=await weights_of(connection, version),
            heirs=[str(each) for each in await connection.scalars(children)],
            run=runs[0] if runs else None,
            steps=await steps_of(connection, run_id),
            dataset=next(iter(await rows(connection, of_dataset(dataset))), None),
            erasures=await erasures_of(connection, version),
            rollouts=rollouts,
            moves=await moves_of(connection, version, [each["id"] for each in rollouts]),
        )


async def origin_of(connection: AsyncConnection, lineage: Json) -> tuple[str | None, str | None]:
    """The run that trained it and the dataset that it learnt; of one registered by hand, by the digest of its files."""
    run_id, dataset = lineage.get("retraining"), lineage.get("dataset")
    if (run_id is None or dataset is None) and "digest" in lineage:
        for made in (await makings(connection, lineage["digest"]))[:1]:
            run_id, dataset = run_id or made.run, dataset or made.dataset
    return run_id, dataset


async def versions_in(database: Database) -> list[Json]:
    """Every version, the latest first, with its share of each alias."""
    async with database.read() as connection:
        found = await rows(
            connection, select(*VersionRow.__table__.columns).order_by(VersionRow.created_at.desc())
        )
        return [each | {"weights": await weights_of(connection, each["id"])} for each in found]


async def weights_of(connection: AsyncConnection, version: str) -> dict[str, float]:
    """The share of each alias that a version has."""
    query = select(RouteRow.alias, RouteRow.weight).where(RouteRow.version == version)
    return {row.alias: row.weight for row in await connection.execute(query)}


async def steps_of(connection: AsyncConnection, run_id: str | None) -> dict[str, Json]:
    """What each step of a run left, in order."""
    row = RetrainingStepRow
    query = select(row.step, row.evidence).where(row.retraining_id == run_id, row.state == "done")
    return {told.step: told.evidence for told in await connection.execute(query.order_by(row.started_at))}


def of_dataset(sha256: str | None) -> Any:
    """The row of a dataset."""
    return select(*DatasetRow.__table__.columns).where(DatasetRow.sha256 == sha256)


async def erasures_of(connection: AsyncConnection, version: str) -> list[Json]:
    """The erasures that reached what a version learnt from, the latest first; it may be registered since, by hand.

    The database leaves out those that name neither it nor such a dataset, by the JSON text; the lists decide.
    """
    row, learnt = ErasureRow, (await learnt_in(connection)).get(version, frozenset())
    written = {json.dumps(version), json.dumps(version, ensure_ascii=False)}
    named = [cast(row.versions, Text).contains(each, autoescape=True) for each in written]
    named += [cast(row.datasets, Text).contains(json.dumps(each), autoescape=True) for each in learnt]
    query = select(*row.__table__.columns).where(or_(*named)).order_by(row.created_at.desc())
    found = await rows(connection, query)
    return [each for each in found if version in each["versions"] or learnt & {*each["datasets"]}][:MOST]


async def rollouts_of(connection: AsyncConnection, version: str) -> list[Json]:
    """The rollouts of a version, oldest first, each with what its tests have seen."""
    query = (
        select(*RolloutRow.__table__.columns)
        .where(RolloutRow.version == version)
        .order_by(RolloutRow.created_at)
    )
    found = await rows(connection, query)
    for each in found:
        row = RolloutEvidenceRow
        kept = select(row.metric, row.state).where(row.rollout_id == each["id"], row.metric != PAIRING)
        each["tests"] = {told.metric: told.state for told in await connection.execute(kept)}
    return found


async def moves_of(connection: AsyncConnection, version: str, rollouts: list[str]) -> list[Json]:
    """What the trail says of a version: its own changes, its rollouts', and those of aliases that led to it."""
    row = TransitionRow
    own = row.subject.in_([version, *rollouts])
    routed = row.kind.in_(("rollout", "rollback"))
    query = select(*row.__table__.columns).where(or_(own, routed)).order_by(row.id.desc()).limit(20 * MOST)
    found = await rows(connection, query)
    mine = [each for each in found if each["subject"] in (version, *rollouts) or concerns(each, version)]
    return mine[:MOST][::-1]


def concerns(move: Json, version: str) -> bool:
    """Whether a change of an alias's weights gave something to a version, or took it."""
    before, after = move["before"], move["after"]
    return bool(before.get(version) != after.get(version))


async def rows(connection: AsyncConnection, query: Any) -> list[Json]:
    """What a query finds, as dictionaries."""
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def happened(move: Json) -> str:
    """A change in words."""
    after = ", ".join(
        f"{name} {value}" for name, value in move["after"].items() if not isinstance(value, dict | list)
    )
    return f"{move['kind'].replace('_', ' ')} {after}".strip()


def when(moment: datetime) -> str:
    """A moment for people."""
    return f"{moment:%Y-%m-%d %H:%M}"
