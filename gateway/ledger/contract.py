"""What the data plane asks of the ledger, and how the ledger may fail.

LedgerFailed            the ledger could not do as asked
├── LedgerFull          a flagged exchange could not be made durable: disk full, journal unwritable
├── LedgerUnavailable   its database is away; the journal still keeps flagged exchanges
├── NotInLedger         it knows no such thing
└── LedgerConflict      what was asked contradicts what it holds
"""

from typing import Protocol

from gateway.exchange import Exchange


class LedgerFailed(Exception):
    """The ledger could not do as asked."""


class LedgerFull(LedgerFailed):
    """A flagged exchange could not be made durable."""


class LedgerUnavailable(LedgerFailed):
    """The database is away, or answers with an error of its own."""


class NotInLedger(LedgerFailed):
    """The ledger knows no such thing."""


class LedgerConflict(LedgerFailed):
    """What was asked contradicts what the ledger holds."""


class Recorder(Protocol):
    """Remembers exchanges: flagged ones durably before it returns, the others as sampled."""

    async def record(self, exchange: Exchange) -> None:
        """Remember an exchange, though the caller is cancelled meanwhile; raises LedgerFull when it cannot."""
        ...
