"""Journals that nobody writes any more: of workers that are fewer now, or of a process that was the only one.

What they hold was promised to be kept; whoever starts next brings it to the database.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from gateway.ledger.contract import LedgerConflict, LedgerFailed
from gateway.ledger.segments import SUFFIX
from gateway.ledger.store import Ledger

log = logging.getLogger(__name__)


async def inherit(url: str, own: Path, *, worker: int | None) -> None:
    """Store what the other journals of this home hold; what cannot be stored now stays for the next start."""
    for directory in abandoned(own, worker):
        try:
            async with Ledger.open(url, directory) as ledger:
                await ledger.caught_up()
        except LedgerConflict:
            continue  # somebody writes it after all
        except LedgerFailed as error:
            log.warning("what an earlier gateway left in its journal waits: %s", type(error).__name__)


def abandoned(own: Path, worker: int | None) -> Iterator[Path]:
    """The journals with records beside one's own; only one process of several looks for them."""
    if worker not in (None, 1):
        return
    home = own.parent if worker else own
    for directory in (home, *sorted(home.glob("worker-*"))):
        if directory != own and any(directory.glob(f"*{SUFFIX}")):
            yield directory
