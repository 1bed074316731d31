"""From nothing to a stack that answers: home, keys, services, readiness; and all of it down again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.ledger.database import Database
from gateway.tenants.keys import KeyStore, digest
from gateway.up.credentials import Credentials
from gateway.up.stack import Stack, require_free, sole_use_of
from gateway.up.supervisor import Report, Supervisor

READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Running:
    """A stack that is up, and how to reach it."""

    stack: Stack
    credentials: Credentials
    supervisor: Supervisor


@asynccontextmanager
async def launched(stack: Stack, report: Report) -> AsyncIterator[Running]:
    """The stack, up and healthy, until the block is left; raises StackFailed, SupervisorFailed or LedgerFailed."""
    home = stack.settings.home
    if not home.exists():  # nobody runs in it, and what cannot start leaves nothing behind
        require_free(stack.ports)
    with sole_use_of(home):
        require_free(stack.ports)
        credentials = await first_keys(stack)
        async with Supervisor(stack.services, home / "logs", report) as supervisor:
            await supervisor.ready(READY_SECONDS)
            yield Running(stack, credentials, supervisor)


async def first_keys(stack: Stack) -> Credentials:
    """The keys made at the first start, or new ones where those are gone or revoked."""
    home = stack.settings.home
    saved = Credentials.load(home)
    async with Database(stack.settings.ledger_url) as database:
        store = KeyStore(database, actor="trimtab up")
        valid = await store.valid()
        if saved and digest(saved.api_key) in valid and digest(saved.admin_key) in valid:
            credentials = Credentials(stack.base_url, saved.api_key, stack.admin_url, saved.admin_key)
        else:
            _, api_key = await store.create("first key", "application")
            _, admin_key = await store.create("operator of this home", "admin")
            credentials = Credentials(stack.base_url, api_key, stack.admin_url, admin_key)
    credentials.save(home)
    return credentials
