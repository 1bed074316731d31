"""How long a draft policy takes against a million recorded exchanges.

    python -m tests.bench.backtest [--rows 1000000] [--jobs 2] [--folder DIR] [--json]

A SQLite ledger is filled with exchanges whose texts were really screened by the bundled policy, each of them many
times with other scores; the draft has other thresholds, so that stored scores decide all of them. The time is that of
`trimtab policy backtest` as a process of its own, its start included. The figures land in build/bench/backtest.json.
"""

import argparse
import asyncio
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.exchange import Candidate, Exchange
from gateway.ledger import jsontext
from gateway.ledger.database import Database
from gateway.ledger.evidence_tables import EvidenceRow
from gateway.ledger.insertion import Insertion
from gateway.ledger.intake import Intake
from gateway.ledger.rows import rows_of
from gateway.ledger.tables import CandidateRow, ExchangeRow, FindingRow
from guards import Context, Screen, Segment, load_policy
from guards.verdict import Action
from tests.bench.figures import Figure, text_of, write

PATTERNS = 200
BATCH = 5_000
BAR_SECONDS = 60.0
DRAFT = """
extends: default
name: draft
version: 1
guards:
  - id: harmful-prompts
    hazards:
      G.unsafe: [{action: flag, threshold: 0.4}, {action: refuse, threshold: 0.95}]
  - id: harmful-replies
    hazards:
      G.unsafe: [{action: flag, threshold: 0.4}, {action: refuse, threshold: 0.7}]
"""
WORDS = (
    "tea",
    "bread",
    "train",
    "garden",
    "letter",
    "river",
    "poison",
    "weapon",
    "card",
    "number",
    "please",
    "how",
)
TRIMTAB = (sys.executable, "-c", "from gateway.cli import main; main()")
CARD = "4111 1111 1111 1111"


def main() -> None:
    asked = arguments()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        ledger = Path(folder) / "ledger.db"
        started = time.monotonic()
        asyncio.run(begin(ledger))
        fill(ledger, asked.rows)
        filled = time.monotonic() - started
        (Path(folder) / "draft.yaml").write_text(DRAFT)
        figures = [
            Figure(
                "ledger_size",
                ledger.stat().st_size / 1e9,
                "GB",
                f"{asked.rows:,} exchanges, filled in {filled:.0f} s",
            ),
            *measured(Path(folder), ledger, asked.rows, asked.jobs),
        ]
    path = write("backtest", figures)
    print(json.dumps(json.loads(path.read_text())) if asked.json else f"{text_of(figures)}\n\n{path}")  # noqa: T201


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the ledger is made: some 3 GB for a million")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parser.parse_args()


def measured(folder: Path, ledger: Path, rows: int, jobs: int) -> Iterator[Figure]:
    for name, against in (("recorded", "recorded"), ("current", "default")):
        command = [
            "policy",
            "backtest",
            str(folder / "draft.yaml"),
            "--ledger",
            f"sqlite:///{ledger}",
            "--json",
        ]
        started, spent = time.monotonic(), cpu_seconds()
        done = subprocess.run(
            [*TRIMTAB, *command, "--jobs", str(jobs), "--against", against],
            check=True,
            capture_output=True,
            cwd=folder,
            env={"PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"},
        )
        seconds = time.monotonic() - started
        report = json.loads(done.stdout)
        assert report["exchanges"] == report["from_scores"] == rows
        how = f"{rows:,} exchanges, {jobs} processes, against {against}; {report['changed']:,} would change"
        bar = BAR_SECONDS if rows >= 1_000_000 else None
        yield Figure(f"seconds_against_{name}", seconds, "s", how, bar)
        share = (cpu_seconds() - spent) / jobs
        yield Figure(
            f"cpu_seconds_a_core_against_{name}",
            share,
            "s",
            f"{how}; what a machine with no other work takes",
            bar,
        )


def cpu_seconds() -> float:
    """Of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def begin(ledger: Path) -> None:
    """A new ledger with each pattern in it once, so that panels are known."""
    async with Database(f"sqlite:///{ledger}") as database:
        await Intake(database).take([await pattern(number) for number in range(PATTERNS)])


async def pattern(number: int, screen: Screen = Screen(load_policy())) -> Exchange:  # noqa: B008 - one for all
    """An exchange as the gateway would record it."""
    chance = random.Random(number)
    asked = f"{' '.join(chance.choices(WORDS, k=40))} {CARD if number % 20 == 0 else ''} {number}"
    answer = f"{' '.join(chance.choices(WORDS, k=60))} {number}"
    prompt = [Segment("You are helpful.", "prompt", "system"), Segment(asked, "prompt")]
    context = Context((("system", "You are helpful."), ("user", asked)))
    judged, replied = (
        await screen.prompt(prompt, context),
        await screen.reply([Segment(answer, "reply")], context),
    )
    safe = not (judged.withheld or replied.withheld)
    return Exchange(
        id=f"pattern-{number}",
        key_id="key",
        alias="assistant",
        version="base",
        policy=screen.policy.hash,
        strategy="single",
        messages=({"role": "system", "content": "You are helpful."}, {"role": "user", "content": asked}),
        action=max(judged.action, replied.action, Action.ALLOW if safe else Action.REFUSE),
        answer=answer,
        finish_reason="stop",
        prompt_screening=judged,
        candidates=(
            Candidate(0, answer, {"role": "assistant", "content": answer}, "stop", screening=replied),
        ),
        chosen=0 if safe else None,
    )


def fill(ledger: Path, rows: int) -> None:
    """Copies of the patterns with other ids and other scores, until there are so many."""
    patterns = rows_of([asyncio.run(pattern(number)) for number in range(PATTERNS)])
    tables = [table.__table__ for table in (ExchangeRow, CandidateRow, FindingRow, EvidenceRow)]
    connection = sqlite3.connect(ledger)
    connection.execute("PRAGMA synchronous=OFF")
    dialect = Database(f"sqlite:///{ledger}")._engine.dialect  # how SQLAlchemy writes to it
    own = [patterns.exchanges, patterns.candidates, patterns.findings, patterns.evidence]
    inserted = [
        Insertion(table, tuple(each[0]), dialect) for table, each in zip(tables, own, strict=True) if each
    ]
    chance = random.Random(7)
    for start in range(PATTERNS, rows, BATCH):
        copies = list(copied(patterns, range(start, min(start + BATCH, rows)), chance))
        for place, insertion in enumerate(inserted):
            values = [insertion.parameters(row) for copy in copies for row in copy[place]]
            connection.executemany(insertion.statement, values)
        connection.commit()
    connection.close()


def copied(patterns: Any, numbers: range, chance: random.Random) -> Iterator[list[list[dict[str, Any]]]]:
    for number in numbers:
        at, name = number % PATTERNS, f"{number:012x}-copy"
        theirs = patterns.exchanges[at]["id"]
        evidence = jsontext.loads(patterns.evidence[at]["document"])
        for said in (evidence["p"], evidence["c"][0][0]):
            for verdict in said["v"]:
                if len(verdict) == 3:  # a judgement of the whole, not of a place
                    verdict[2] = {hazard: chance.random() ** 9 for hazard in verdict[2]}
        yield [
            [patterns.exchanges[at] | {"id": name}],
            [patterns.candidates[at] | {"exchange_id": name}],
            [row | {"exchange_id": name} for row in patterns.findings if row["exchange_id"] == theirs],
            [patterns.evidence[at] | {"exchange_id": name, "document": jsontext.dumps_text(evidence)}],
        ]


if __name__ == "__main__":
    main()
