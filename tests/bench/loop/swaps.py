"""A hundred LoRA versions, one after the other, while 32 clients ask without a pause.

    TRIMTAB_TEST_VLLM=.venv-vllm/bin/python python -m tests.bench.loop swaps [--quick]

Each is staged on two replicas under a name and in a directory of its own, put in force, and the one before the last
is retired; at last the latest is taken back and put in force again, a few times. Fingerprints are what an engine
itself says, asked before the clients begin. They begin on an adapter: the CPU build of vLLM 0.32 applies the last
slot's adapter to the base model's rows of a batch of several requests.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.loop.swapping.load import PROMPTS, Fingerprints, Load, spoken, under_load
from tests.bench.loop.swapping.models import make_adapters, make_base
from tests.bench.loop.swapping.stack import Engine, Stack, stack
from tests.bench.loop.swapping.verdicts import gaps, judged, late, quantile

SWAPS, FEW = 100, 5
PUBLISH_BAR_SECONDS = 10.0
BACKS = 10
BACK_BAR_SECONDS = 2.0
BACK_FOR_SECONDS = 3.0  # in which answers begin and end that must be the earlier version's
PATIENCE_SECONDS = 10.0
CALM_SECONDS = 5.0  # before the first swap
say = Console(stderr=True)


def measure(quick: bool) -> dict[str, Any]:
    """Failed, mixed and stale answers, the time to publish, and the gaps between tokens."""
    with tempfile.TemporaryDirectory(dir="/tmp") as root:
        folder = Path(root)
        count = FEW if quick else SWAPS
        policy = make_base(folder / "policy")
        adapters = make_adapters(policy, folder, 2 * count)
        with stack(folder, policy) as served:
            known = fingerprints(served.engines[0], adapters, count + 1)
            chosen = [each for each in adapters if each.name in known]
            told = asyncio.run(swapped(served, chosen, known))
            return told | restarted(served, chosen[-1].name, known)


def fingerprints(engine: Engine, adapters: list[Path], wanted: int) -> dict[str, tuple[str, ...]]:
    """What each adapter says to each known prompt, by its directory's name; loaded under names of their own.

    Those whose answers hang by a thread identify nothing, and are left out.
    """
    known: dict[str, tuple[str, ...]] = {}
    for each in adapters:
        name = f"alone-{each.name}"
        engine.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(each)}).raise_for_status()
        if (said := spoken(engine, name)) is not None and said not in known.values():
            known[each.name] = said
        engine.post("/v1/unload_lora_adapter", {"lora_name": name}).raise_for_status()
        if len(known) == wanted:
            break
    say.print(f"{len(known)} of {adapters.index(each) + 1} adapters have firm answers")
    return known


def restarted(served: Stack, version: str, known: Fingerprints) -> dict[str, Any]:
    """How long an engine that was killed takes to serve the live version again, by itself."""
    engine = served.engines[1]
    engine.restart()
    healthy = time.monotonic()
    while version not in engine.models() and time.monotonic() < healthy + PATIENCE_SECONDS:
        time.sleep(0.05)
    seconds = round(time.monotonic() - healthy, 3)
    same = version in engine.models() and spoken(engine, version) == known[version]
    how = f"SIGKILL, started again; from its first health until it lists the live version; answers as before: {same}"
    return {"swaps_restarted_seconds": {"value": seconds, "bar": PATIENCE_SECONDS, "met": same, "how": how}}


async def swapped(served: Stack, adapters: list[Path], known: Fingerprints) -> dict[str, Any]:
    """The swaps under load, and what is to be told of them."""
    first, *others = adapters
    began: list[tuple[str, float, float]] = []  # version, staged from, in force at
    await swap_through(served, [first], "base", [])
    async with under_load(served) as load:
        await asyncio.sleep(CALM_SECONDS)
        await swap_through(served, others, first.name, began)
        await asyncio.sleep(1)
        ended = time.monotonic()
        backs = await taken_back(served, others[-1].name, [first, *others][-2].name)
    return figures(served, load, known, began, ended) | going_back(load, backs)


async def swap_through(
    served: Stack, adapters: list[Path], before: str, began: list[tuple[str, float, float]]
) -> None:
    """One version after the other; the one before the last is retired."""
    earlier = [before] if before != "base" else []
    async with served.admin() as admin:
        for number, path in enumerate(adapters, 1):
            version = (await admin.register(path, path.name)).id
            started = time.monotonic()
            await admin.stage(version)
            await admin.roll_out("assistant", {version: 1.0}, "the next swap", expected={before: 1.0})
            began.append((version, started, time.monotonic()))
            earlier.append(version)
            before = version
            if len(earlier) > 2:
                await admin.retire(earlier.pop(0), 60)
            say.print(f"swap {number}: in force after {began[-1][2] - started:.2f} s")


async def taken_back(served: Stack, latest: str, before: str) -> list[tuple[str, float, float, float]]:
    """Rollbacks, each undone again: the version before, asked for at, in force at, and until."""
    backs = []
    async with served.admin() as admin:
        for _ in range(BACKS):
            asked = time.monotonic()
            await admin.roll_back("assistant", "an operator takes it back")
            live = time.monotonic()
            say.print(f"taken back after {live - asked:.2f} s")
            await asyncio.sleep(BACK_FOR_SECONDS)
            backs.append((before, asked, live, time.monotonic()))
            await admin.roll_out(
                "assistant", {latest: 1.0}, "and puts it in force again", expected={before: 1.0}
            )
    return backs


def going_back(load: Load, backs: list[tuple[str, float, float, float]]) -> dict[str, Any]:
    """How long an operator's rollback takes until no request begins on the version that was taken back."""
    seconds = [live - asked for _, asked, live, _ in backs]
    after = [
        each.version == version
        for version, _, live, until in backs
        for each in load.told  # one that ended later may have begun on what was put in force again
        if live <= each.began and each.ended < until and not each.error
    ]
    wrong = after.count(False)
    how = (
        f"{len(backs)} rollbacks by POST /admin/rollback under the same clients, both versions loaded; slowest, median "
        f"{quantile(seconds, 0.5)} s; of {len(after)} answers of requests that began after one the newer version's: "
        f"{wrong}"
    )
    met = max(seconds) <= BACK_BAR_SECONDS and not wrong
    figure = {"value": round(max(seconds), 3), "bar": BACK_BAR_SECONDS, "met": met, "how": how}
    return {"swaps_rollback_seconds": figure}


def figures(
    served: Stack, load: Load, known: Fingerprints, began: list[tuple[str, float, float]], ended: float
) -> dict[str, Any]:
    """As the other benchmarks tell theirs."""
    found = judged(load.told, known)
    for line in (*found.failed[:5], *found.mixed[:5], *found.stale[:5]):
        say.print(line)
    ends = [each[1] for each in began[1:]] + [ended]
    wrong = sum(
        late(load.told, version, live, until) for (version, _, live), until in zip(began, ends, strict=True)
    )
    publish = [live - start for _, start, live in began]
    spans = [(start, live) for _, start, live in began]
    within, outside = (gaps(load.told, spans, inside=inside) for inside in (True, False))
    how = (
        f"{len(began)} LoRA swaps on 2 replicas of {served.kind} under 16 streaming and 16 plain clients; "
        f"{found.answers} answers by {found.versions} versions, {len(set(known.values()))} distinct fingerprints"
    )
    return {
        "swaps_done": {"value": len(began), "bar": SWAPS, "met": len(began) >= SWAPS, "how": how},
        "swaps_failed_answers": none_of(found.failed, how),
        "swaps_mixed_answers": none_of(found.mixed, how),
        "swaps_stale_prefix_answers": none_of(
            found.stale, f"{how}; {len(PROMPTS)} prompts share their opening"
        ),
        "swaps_publish_seconds": {
            "value": round(max(publish), 3),
            "bar": PUBLISH_BAR_SECONDS,
            "met": max(publish) <= PUBLISH_BAR_SECONDS and not wrong,
            "how": f"{how}; slowest, from staging to 100 %, median {quantile(publish, 0.5)} s; "
            f"answers that began after that and were an older version's: {wrong}",
        },
        "swaps_p99_gap_seconds": {
            "value": quantile(within, 0.99),
            "bar": None,
            "met": None,
            "how": f"{how}; between two pieces of a stream during swaps; outside of them "
            f"{quantile(outside, 0.99)} s; p99.9 {quantile(within, 0.999)} and {quantile(outside, 0.999)} s",
        },
    }


def none_of(found: tuple[str, ...], how: str) -> dict[str, Any]:
    """A count that must be zero."""
    return {"value": len(found), "bar": 0, "met": not found, "how": how}
