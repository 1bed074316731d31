"""Which versions' answers are still the policy's own."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.ledger.tables import RouteRow, VersionRow


async def versions_back(connection: AsyncConnection, alias: str) -> list[str]:
    """The version that most of an alias's traffic gets, the one it came from, and so on; then all others, newest first.

    Others are of other aliases, or did not stay in traffic: a version that was taken back makes nobody's answers old.
    """
    share = RouteRow.weight.desc()
    live = select(RouteRow.version).where(RouteRow.alias == alias).order_by(share, RouteRow.version).limit(1)
    version = await connection.scalar(live)
    rows = await connection.execute(
        select(VersionRow.id, VersionRow.parent).order_by(VersionRow.created_at.desc())
    )
    parents = {row.id: row.parent for row in rows}
    line: list[str] = []
    while version is not None and version not in line:
        line.append(version)
        version = parents.get(version)
    return [*line, *(other for other in parents if other not in line)]
