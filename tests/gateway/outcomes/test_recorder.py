"""Outcomes are written beside the traffic, and once, whatever becomes of the gateway meanwhile."""

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.outcomes.recorder import WRITE_SECONDS
from tests.fakes.engine import fake_engine
from tests.fakes.gateway import until
from tests.fakes.held_ledger import HeldLedger
from tests.gateway.admin.conftest import open_house

NOW = datetime.now(UTC).isoformat(" ")
VERSION = {"id": "v2", "base": "base", "lineage": "{}", "state": "staged", "created_at": NOW}
ROLLOUT = {
    "id": "ro-1",
    "alias": "assistant",
    "version": "v2",
    "baseline": "base",
    "state": "canary",
    "share": 0.5,
    "plan": "{}",
    "reasons": "[]",
    "running": 1,
    "created_at": NOW,
    "moved_at": NOW,
}


def entered(file: Path, table: str, row: dict[str, Any]) -> None:
    with sqlite3.connect(file) as ledger:
        places = ", ".join(f":{name}" for name in row)
        ledger.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", row)


def test_no_outcome_is_lost_where_a_gateway_stops_while_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "home" / "ledger.db"
    with fake_engine() as (engine, behind), open_house(tmp_path, behind.url, engine) as house:
        entered(file, "versions", VERSION)
        entered(file, "rollouts", ROLLOUT)
        assert until(lambda: house.tools.watching.current, 10)
        held = HeldLedger(file)
        assert house.ask().headers["x-trimtab-version"] == "base"
        time.sleep(2 * WRITE_SECONDS)  # its writer waits for the lock by now
        held.let_go(1.0)
    with sqlite3.connect(file) as ledger:
        assert ledger.execute("SELECT arm, version FROM outcomes").fetchall() == [("stable", "base")]
