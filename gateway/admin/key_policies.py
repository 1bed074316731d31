"""Guard policies of single keys: every gateway has a screen ready for each policy that a key names.

A name means the newest policy of that name, a content hash that very policy. Where a policy cannot be had, the keys
that name it are refused; what was ready stays so while the database is away.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import or_, select

from gateway.admin.policies import screen_of
from gateway.ledger.database import Database
from gateway.ledger.tables import KeyRow, PolicyRow
from gateway.screens import Screener
from gateway.tools import Tools
from guards.verdict import PolicyRefused


async def follow_key_policies(tools: Tools, database: Database) -> list[str]:
    """Publish the screens of all policies that keys name; returns those that cannot be had here."""
    wanted = await named_by_keys(database)
    ready = {screener.policy.hash: screener for screener in tools.screens.of_keys.values()}
    found: dict[str, Screener] = {}
    for name, digest in wanted.items():
        screener = ready.get(digest or "") or await built(digest, tools, database)
        if screener is not None:
            found[name] = ready[screener.policy.hash] = screener
    tools.screens.publish_for_keys(found)
    return sorted(wanted.keys() - found.keys())


async def named_by_keys(database: Database) -> Mapping[str, str | None]:
    """What keys that are not revoked call their policies, and the digest that is meant; None where there is none."""
    valid = (KeyRow.policy.is_not(None), KeyRow.revoked_at.is_(None))
    async with database.read() as connection:
        names = (await connection.execute(select(KeyRow.policy).where(*valid).distinct())).scalars().all()
        if not names:
            return {}
        known = or_(PolicyRow.digest.in_(names), PolicyRow.name.in_(names))
        columns = select(PolicyRow.digest, PolicyRow.name).where(known).order_by(PolicyRow.created_at)
        rows = [(row.digest, row.name) for row in await connection.execute(columns)]
    return {str(name): meant(str(name), rows) for name in names}


def meant(name: str, policies: Iterable[tuple[str, str | None]]) -> str | None:
    """The digest that a name means among (digest, name) from old to new: its own, or else the newest so called."""
    found = None
    for digest, called in policies:
        if digest == name:
            return digest
        found = digest if called == name else found
    return found


async def built(digest: str | None, tools: Tools, database: Database) -> Screener | None:
    """The screen of a policy of the ledger; None where it no longer passes, or is not what its digest says."""
    if digest is None:
        return None
    async with database.read() as connection:
        wanted = select(PolicyRow.document).where(PolicyRow.digest == digest)
        document = (await connection.execute(wanted)).scalar_one_or_none()
    if document is None:
        return None
    try:
        screen = await screen_of(document, tools)
    except PolicyRefused:
        return None
    return screen if screen.policy.hash == digest else None
