"""What the data plane asks of the ledger.

    LedgerFailed       the ledger could not do as asked
    └── LedgerFull     a flagged exchange could not be made durable: disk full, journal unwritable
"""

from typing import Protocol

from gateway.exchange import Exchange


class LedgerFailed(Exception):
    """The ledger could not do as asked."""


class LedgerFull(LedgerFailed):
    """A flagged exchange could not be made durable."""


class Recorder(Protocol):
    """Remembers exchanges: flagged ones durably before it returns, the others as sampled."""

    async def record(self, exchange: Exchange) -> None:
        """Remember an exchange; raises LedgerFull when a flagged one cannot be made durable."""
        ...
