"""The story of what a run trained and the gate kept out: the ledger has no version of it, but all that was found."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.errors import StoryUnknown
from finetune.story.story import Json, Story, of_dataset, rows, steps_of, story_of
from gateway.ledger.database import Database
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, VersionRow

FEWEST = 6  # signs of a digest's beginning
PREFIX = "policy-"  # of the name that a digest gets once a version is registered


async def story_by(database: Database, name: str) -> Story:
    """The story of a version, of a run's, or of a digest's; raises StoryUnknown."""
    try:
        return await story_of(database, name)
    except StoryUnknown as unknown:
        async with database.read() as connection:
            run = await run_by(connection, name)
            registered = await version_of(connection, run["id"]) if run else None
            if run is not None and registered is None:
                return await kept_out(connection, run)
        if registered is not None:
            return await story_of(database, registered)
        told = "of one that the gate kept out `trimtab finetune status` shows the run and the digest"
        raise StoryUnknown(f"{unknown}; {told}") from None


async def run_by(connection: AsyncConnection, name: str) -> Json | None:
    """The run of this name, or the latest that trained files whose digest begins so."""
    row, step = RetrainingRow, RetrainingStepRow
    found = await rows(connection, select(*row.__table__.columns).where(row.id == name))
    digest = name.removeprefix(PREFIX)
    if found or len(digest) < FEWEST:
        return next(iter(found), None)
    mine = step.evidence["digest"].as_string().startswith(digest, autoescape=True)
    trained = select(step.retraining_id).where(step.step == "train", step.state == "done", mine)
    latest = select(*row.__table__.columns).where(row.id.in_(trained)).order_by(row.created_at.desc())
    return next(iter(await rows(connection, latest.limit(1))), None)


async def version_of(connection: AsyncConnection, run_id: str) -> str | None:
    """The version that a run registered, if it came so far."""
    mine = VersionRow.lineage["retraining"].as_string() == run_id
    return await connection.scalar(select(VersionRow.id).where(mine).limit(1))


async def kept_out(connection: AsyncConnection, run: Json) -> Story:
    """What a run left, told like a version's story."""
    steps = await steps_of(connection, run["id"])
    sha256 = steps.get("dataset", {}).get("sha256")
    return Story(
        version=unregistered(run, steps),
        weights={},
        heirs=[],
        run=run,
        steps=steps,
        dataset=next(iter(await rows(connection, of_dataset(sha256))), None),
    )


def unregistered(run: Json, steps: Any) -> Json:
    """What stands for the version that was not registered: its row, as far as there would be one."""
    trained, recipe = steps.get("train", {}), run["parameters"].get("recipe", {})
    digest = trained.get("digest", "")
    failed = [each for each in steps.get("gate", {}).get("conditions", []) if not each["passed"]]
    reasons = f": {'; '.join(map(str, run['reasons']))}" if run["reasons"] else ""
    return {
        "id": f"{PREFIX}{digest[:12]}" if digest else run["id"],
        "state": "kept out by the gate" if failed else f"not registered ({run['state']}{reasons})",
        "created_at": run["created_at"],
        "base": recipe.get("base") or "",
        "parent": steps.get("live", {}).get("version"),
        "path": trained.get("adapter"),
        "lineage": {"retraining": run["id"], "digest": digest, "anchor": recipe.get("anchor", "base")},
    }
