"""The gateway's own cost, as ratios against a bare pass-through that was measured in the same run.

    python -m tests.bench [--seconds 3] [--rounds 3] [--json]

Servers before one engine that costs nothing, asked in turn, round after round: `direct` is the engine itself,
`bare` a FastAPI and httpx pass-through, `unguarded` the gateway with keys, routing and ledger but no guards,
`guarded` the same with the bundled policy. The servers share core 0 in turn, engine and load have another.
Figures are medians over rounds. Quote ratios: the times are this machine's, and on a busy machine only a
request's processor time says anything.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.load import Figures, Load, run
from tests.bench.servers import SERVERS, Server, pin, servers

Measured = dict[tuple[str, str], list[Figures]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each stage in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    stages = [
        Load("plain, 1 connection", 1, streamed=False, seconds=asked.seconds),
        Load("plain, 64 connections", 64, streamed=False, seconds=asked.seconds),
        Load("streams, 16 connections", 16, streamed=True, seconds=asked.seconds),
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        servers(Path(folder)) as (started, key),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        measured = runner.run(measure(stages, started, key, asked.rounds))
    table = [row for stage in stages for row in rows_of(stage.name, measured)]
    print(json.dumps({"stages": table}) if asked.json else text_of(table))  # noqa: T201


async def measure(stages: Sequence[Load], started: Mapping[str, Server], key: str, rounds: int) -> Measured:
    """Every stage on every server, round after round, so that a slow minute hits all alike."""
    pin(0, 1)
    measured: Measured = defaultdict(list)
    for server in started.values():
        await run(Load("warm up", 4, streamed=False, seconds=0.5), server.port, key)
    for _ in range(rounds):
        for stage in stages:
            for name, server in started.items():
                before = server.cpu_seconds
                figures = await run(stage, server.port, key)
                figures.cpu_seconds = server.cpu_seconds - before
                measured[stage.name, name].append(figures)
    return measured


def rows_of(stage: str, measured: Measured) -> Iterator[dict[str, Any]]:
    """A stage's figures for each server, beside those of the bare pass-through."""
    bare, direct = measured[stage, "bare"], measured[stage, "direct"]
    for server in SERVERS:
        own = measured[stage, server]
        yield {
            "stage": stage,
            "server": server,
            "per_second": round(rate(own), 1),
            "rate_over_bare": round(rate(own) / rate(bare), 2),
            "cpu_us_each": round(cpu_seconds(own) * 1e6),
            "cpu_over_bare": round(cpu_seconds(own) / cpu_seconds(bare), 3),
            "added_p50_ms": round((percentile(own, 0.5) - percentile(direct, 0.5)) * 1000, 3),
            "p99_ms": round(percentile(own, 0.99) * 1000, 2),
            "rounds": len(own),
        }


def rate(rounds: Sequence[Figures]) -> float:
    """Requests a second."""
    return statistics.median(each.per_second for each in rounds)


def cpu_seconds(rounds: Sequence[Figures]) -> float:
    """The server's processor time for one request."""
    return statistics.median(each.cpu_seconds / len(each.latencies) for each in rounds)


def percentile(rounds: Sequence[Figures], share: float) -> float:
    """Seconds within which that share of the requests was answered."""
    return statistics.median(each.percentile(share) for each in rounds)


def text_of(table: Sequence[dict[str, Any]]) -> str:
    """The table in columns."""
    lines = [list(table[0]), *([str(value) for value in row.values()] for row in table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(cells) for cells in padded)


if __name__ == "__main__":
    main()
