"""The policies of a backtest, as they travel to the processes that decide by them."""

from dataclasses import dataclass
from pathlib import Path

from gateway.ledger.database import Database
from gateway.policies.store import PolicyStore
from guards.policy.extends import text_of
from guards.policy.load import GuardPolicy, load_policy, policy_file, read_policy
from guards.settings import load_services
from guards.verdict import PolicyRefused

CURRENT, RECORDED = "current", "recorded"


@dataclass(frozen=True, slots=True)
class Written:
    """A policy as it is written; `folder` is where the files that it names lie."""

    text: str
    name: str
    folder: Path

    def read(self) -> GuardPolicy:
        """The policy; raises PolicyRefused."""
        return read_policy(self.text, self.name, self.folder, services=load_services())


def from_file(path: Path | str | None) -> Written:
    """The policy of a file, or one that comes with Trimtab by its name; raises PolicyRefused."""
    file = policy_file(path)
    return Written(text_of(file), str(file), file.parent)


async def in_force(configured: Path | None, database: Database | None) -> Written:
    """The policy that stands in for the configured one, or that one itself; raises PolicyRefused."""
    own = from_file(configured)
    if database is None or database.missing:
        return own
    kept = await PolicyStore(database).active_beside(load_policy(configured, services=load_services()).hash)
    return own if kept is None else Written(kept.text, f"policy {kept.digest[:12]} of the ledger", own.folder)


async def kept_policy(reference: str, configured: Path | None, database: Database) -> Written:
    """A policy of the ledger by its number, name or hash; raises PolicyRefused."""
    found = await PolicyStore(database).find(reference)
    if found is None:
        raise PolicyRefused(f"{reference}: no such file, no bundled policy, and none that the ledger keeps")
    text = found["effective"] or found["document"]
    return Written(text, f"policy {found['hash'][:12]} of the ledger", policy_file(configured).parent)
