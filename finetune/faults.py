"""Faults of ours, told as failures: what nobody foresaw must not end what looks for ever."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from finetune.errors import Fault, FinetuneFailed
from gateway.ledger.contract import LedgerFailed


@contextmanager
def faults_told() -> Iterator[None]:
    """Within it, what is no failure of ours is raised as Fault, with where it came from: its text may hold prompts."""
    try:
        yield
    except (FinetuneFailed, LedgerFailed):
        raise
    except Exception as error:  # noqa: BLE001 - raised again as Fault, which whoever looks for ever tells
        where = "".join(traceback.format_tb(error.__traceback__))
        raise Fault(f"{type(error).__name__}\n{where}") from None
