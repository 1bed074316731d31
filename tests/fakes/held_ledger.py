"""A real SQLite file that nobody else can write to for a while, as when another process has a long transaction."""

import sqlite3
import threading
from pathlib import Path


class HeldLedger:
    """Holds the lock of writers from its beginning until it is let go."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._connection.execute("BEGIN IMMEDIATE")

    def let_go(self, after_seconds: float) -> None:
        """Let others write, in a while."""
        threading.Timer(after_seconds, self._connection.close).start()
