"""The gateway's speed, beside a bare pass-through, and beside other gateways, measured in the same run.

    python -m tests.bench [--seconds 3] [--rounds 3] [--peers] [--memory MINUTES] [--json]

`direct` is the engine itself, one that costs nothing; `bare` a FastAPI and httpx pass-through; `unguarded` the gateway
with keys, routing, metrics and ledger but no guards; `guarded` the same with the bundled policy. --peers installs and
adds TensorZero, LiteLLM and Portkey. The servers have core 0, one at a time; engine and load have core 1. No question
is asked twice but in the stages `same-1` and `same-64`. Figures are medians over rounds. Quote ratios: times are this
machine's. All of it lands in build/bench/gateway.json.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from tests.bench.figures import Figure, text_of, write
from tests.bench.load import Figures, Load, run
from tests.bench.peers import PEERS
from tests.bench.servers import Server, pin, servers, set_upstream

Measured = dict[tuple[str, str], list[Figures]]
ONE, ONE_SAME, MANY, SAME = "plain-1", "same-1", "plain-64", "same-64"
PACED, FLOOD = "stream-1", "streams-16"


def main() -> None:
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        started = stack.enter_context(servers(Path(folder)))
        if asked.peers is not None:
            started |= dict(peers(stack, asked.peers or tuple(PEERS)))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            measured = runner.run(measure(stages(asked.seconds), started, asked.rounds))
            figures = [*ours(measured), *against(measured)]
            if asked.memory:
                figures += runner.run(memory(started["guarded"], asked.memory * 60))
    rows = [
        row
        for stage in (ONE, ONE_SAME, MANY, SAME, PACED, FLOOD)
        for row in rows_of(stage, started, measured)
    ]
    path = write("gateway", figures, stages=rows)
    shown = (
        json.dumps(json.loads(path.read_text()))
        if asked.json
        else f"{table_of(rows)}\n\n{text_of(figures)}\n\n{path}"
    )
    print(shown)  # noqa: T201


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each stage in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=tuple(PEERS),
        help="install other gateways and measure them too; all of them where none is named",
    )
    parser.add_argument("--memory", type=float, default=0.0, help="minutes at full load, for memory's sake")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parser.parse_args()


def stages(seconds: float) -> list[Load]:
    """What is asked of every server in every round."""
    return [
        Load(ONE, 1, streamed=False, seconds=seconds),
        Load(ONE_SAME, 1, streamed=False, seconds=seconds, fresh=False),
        Load(MANY, 64, streamed=False, seconds=seconds),
        Load(SAME, 64, streamed=False, seconds=seconds, fresh=False),
        # Its first chunk is as long as what is held back, so that waiting for text is not counted as time.
        Load(PACED, 1, streamed=True, seconds=seconds, delay_ms=5, first_chars=400),
        Load(FLOOD, 16, streamed=True, seconds=seconds),
    ]


def peers(stack: ExitStack, names: Sequence[str]) -> Iterator[tuple[str, Server]]:
    """Other gateways, installed first where they are not yet; one that cannot be had is told and left out."""
    for name in names:
        peer = PEERS[name]
        try:
            if not peer.installed:
                print(f"installing {name}", file=sys.stderr)  # noqa: T201
                peer.install()
            yield name, stack.enter_context(peer.serving())
        except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)  # noqa: T201


async def measure(loads: Sequence[Load], started: Mapping[str, Server], rounds: int) -> Measured:
    """Every stage on every server, round after round, so that a slow minute hits all alike."""
    pin(0, 1)
    measured: Measured = defaultdict(list)
    for streamed in (False, True):
        for server in started.values():
            await run(Load("warm up", 8, streamed=streamed, seconds=1.0), server.target)
    for _ in range(rounds):
        for load in loads:
            set_upstream(delay_ms=load.delay_ms, first_chars=load.first_chars)
            for name, server in started.items():
                before = server.cpu_seconds
                figures = await run(load, server.target)
                figures.cpu_seconds = server.cpu_seconds - before
                measured[load.name, name].append(figures)
    return measured


def median(rounds: Sequence[Figures], of: Callable[[Figures], float]) -> float:
    return statistics.median(of(each) for each in rounds)


def rate(rounds: Sequence[Figures]) -> float:
    return median(rounds, lambda each: each.per_second)


def cpu_us(rounds: Sequence[Figures]) -> float:
    return median(rounds, lambda each: each.cpu_seconds / len(each.latencies) * 1e6)


def added_ms(own: Sequence[Figures], direct: Sequence[Figures], of: Callable[[Figures], float]) -> float:
    return (median(own, of) - median(direct, of)) * 1000


def ours(measured: Measured) -> Iterator[Figure]:
    """The guarded gateway's own figures, with the bars that it is to hold."""
    many, flood, paced = (measured[stage, "guarded"] for stage in (MANY, FLOOD, PACED))
    everything = "keys, input and output guards, metrics and ledger on; one core; every question new"
    yield Figure("requests_per_second_64", rate(many), "1/s", f"64 connections; {everything}")
    yield Figure("cpu_per_request", cpu_us(many), "µs", f"all threads, 64 connections; {everything}", 370)
    same = measured[SAME, "guarded"]
    repeated = everything.replace("every question new", "the same question over and over")
    yield Figure("requests_per_second_64_same", rate(same), "1/s", f"64 connections; {repeated}")
    yield Figure("cpu_per_request_same", cpu_us(same), "µs", f"all threads, 64 connections; {repeated}", 370)
    for name, stage, what in (("", ONE, "every question new"), ("_same", ONE_SAME, "the same question")):
        for share, bar in ((0.5, 0.8), (0.99, 2)):
            own, alone = measured[stage, "guarded"], measured[stage, "direct"]
            added = added_ms(own, alone, lambda f, share=share: f.percentile(share))
            how = f"1 connection, less direct; {what}"
            yield Figure(f"added_p{share * 100:.0f}{name}", added, "ms", how, bar)
    yield Figure("streams_per_second", rate(flood), "1/s", f"16 streams of 64 chunks, no delay; {everything}")
    first = added_ms(paced, measured[PACED, "direct"], lambda f: f.first_word(0.5))
    how = "1 stream whose first chunk fills the hold-back; first content, less direct"
    yield Figure("added_first_byte", first, "ms", how, 1.5)


def against(measured: Measured) -> Iterator[Figure]:
    """Ratios to what was measured beside it."""
    many, flood = rate(measured[MANY, "guarded"]), rate(measured[FLOOD, "guarded"])
    bars = {"litellm": (25.0, None), "portkey": (2.5, None), "tensorzero": (0.5, 1.0), "bare": (None, None)}
    for name, (plain, streams) in bars.items():
        if measured.get((MANY, name)):
            again = rate(measured[SAME, "guarded"]) / rate(measured[SAME, name])
            for what, over, bar, how in (
                ("requests_same", again, plain, "64 connections, the same question over and over"),
                ("requests", many / rate(measured[MANY, name]), plain, "64 connections"),
                ("streams", flood / rate(measured[FLOOD, name]), streams, "16 streams"),
            ):
                told = f"guarded over {name}, same run, {how}"
                yield Figure(f"{what}_over_{name}", over, "×", told, bar, at_most=False)


async def memory(server: Server, seconds: float) -> list[Figure]:
    """How much more memory it holds after so long at full load than after the first minute of it."""
    set_upstream(delay_ms=0, first_chars=0)
    await run(Load("warm up", 64, streamed=False, seconds=min(60.0, seconds / 2)), server.target)
    warm = server.megabytes
    await run(Load("full load", 64, streamed=False, seconds=seconds), server.target)
    how = f"resident, after {seconds / 60:g} minutes at 64 connections"
    return [
        Figure("memory", server.megabytes, "MB", how, 200),
        Figure("memory_growth", (server.megabytes / warm - 1) * 100, "%", f"{how}, over its warm state", 5),
    ]


def rows_of(stage: str, started: Mapping[str, Server], measured: Measured) -> Iterator[dict[str, object]]:
    """A stage's figures for each server, beside those of the bare pass-through."""
    bare, direct = measured[stage, "bare"], measured[stage, "direct"]
    for name in started:
        own = measured[stage, name]
        yield {
            "stage": stage,
            "server": name,
            "per_second": round(rate(own), 1),
            "over_bare": round(rate(own) / rate(bare), 2),
            "cpu_us": round(cpu_us(own)),
            "added_p50_ms": round(added_ms(own, direct, lambda f: f.percentile(0.5)), 3),
            "added_p99_ms": round(added_ms(own, direct, lambda f: f.percentile(0.99)), 3),
            "added_first_ms": round(added_ms(own, direct, lambda f: f.first_word(0.5)), 3),
            "rounds": len(own),
        }


def table_of(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows in columns."""
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )


if __name__ == "__main__":
    main()
