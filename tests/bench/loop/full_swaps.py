"""Full weights swapped on two replicas while 32 clients ask without a pause; bad weights offered in between.

    TRIMTAB_TEST_VLLM=.venv-vllm/bin/python python -m tests.bench.loop full_swaps [--quick]

Fingerprints are what an engine itself says with each of the weights, asked before the clients begin. After every few
swaps another broken copy of good weights is registered and staged: it must be refused before an engine hears of it.
"""

import asyncio
import itertools
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from gateway.admin.client import AdminClient, AdminRefused
from tests.bench.loop.swapping.load import PROMPTS, TOKENS, Fingerprints, Load, Told, spoken, under_load
from tests.bench.loop.swapping.models import make_base, make_models
from tests.bench.loop.swapping.spoiling import BROKEN, truncate
from tests.bench.loop.swapping.stack import BASE, Engine, Stack, stack
from tests.bench.loop.swapping.verdicts import judged, quantile

SWAPS, FEW = 13, 3
MODELS = 3
LONGEST_SILENCE_SECONDS = 10.0  # in which no client at all gets an answer; more is no capacity
PATIENCE_SECONDS = 30.0
say = Console(stderr=True)


def measure(quick: bool) -> dict[str, Any]:
    """Failed, mixed and stale answers, the longest silence, and what became of bad weights."""
    with tempfile.TemporaryDirectory(dir="/tmp") as root:
        folder = Path(root)
        base = make_base(folder / "policy")
        models = make_models(base, folder, 4 * MODELS)
        with stack(folder, base, managed=True) as served:
            known = fingerprints(served.engines[0], base, models)
            chosen = [each for each in models if each.name in known]
            told = asyncio.run(swapped(served, folder, chosen, known, FEW if quick else SWAPS))
            return told | asyncio.run(restarted(served, known))


def fingerprints(engine: Engine, base: Path, models: list[Path]) -> dict[str, tuple[str, ...]]:
    """What the base and some models with firm answers say to each known prompt; the engine ends as it began."""
    known: dict[str, tuple[str, ...]] = {}
    for name, path in [("base", base), *((each.name, each) for each in models)]:
        load(engine, path)
        if (said := spoken(engine, BASE)) is not None:
            known[name] = said
        if len(known) > MODELS:
            break
    load(engine, base)
    assert "base" in known, "the base model's answers hang by a thread"
    return known


def load(engine: Engine, path: Path) -> None:
    """Put weights on an engine that nobody else asks."""
    order = {"method": "reload_weights", "kwargs": {"weights_path": str(path)}}
    engine.post("/pause?mode=wait", {}).raise_for_status()
    engine.post("/collective_rpc", order).raise_for_status()
    engine.post("/reset_prefix_cache", {}).raise_for_status()
    engine.post("/resume", {}).raise_for_status()


async def swapped(
    served: Stack, folder: Path, models: list[Path], known: Fingerprints, count: int
) -> dict[str, Any]:
    """The swaps under load, and what is to be told of them."""
    took: list[tuple[float, float]] = []
    able: list[int] = []
    async with under_load(served) as load, served.admin() as admin, counted(served, able):
        await asyncio.sleep(5)
        versions = ["base", *[(await admin.register(each, each.name)).id for each in models]]
        for version in versions[1:]:
            await admin.stage(version)
        refused = []
        for number in range(count):
            version = versions[(number + 1) % len(versions)]
            started = time.monotonic()
            await admin.roll_out("assistant", {version: 1.0}, "the next swap")
            took.append((started, time.monotonic()))
            say.print(f"swap {number + 1} to {version}: {took[-1][1] - started:.2f} s")
            if number < len(BROKEN):
                refused.append(await offer(admin, models[0], folder, number))
        lost = await lose_one(served, admin, folder, models[1])
        await asyncio.sleep(2)
    return figures(served, load, known, took, refused) | capacity(able) | lost


@asynccontextmanager
async def counted(served: Stack, able: list[int]) -> AsyncIterator[None]:
    """How many engines may be asked, at every moment as the gateway sees it."""

    async def count() -> None:
        headers = {"authorization": f"Bearer {served.admin_key}"}
        async with httpx.AsyncClient(
            base_url=served.admin_url, headers=headers, timeout=60, trust_env=False
        ) as http:
            while True:
                told = (await http.get("/admin/engines")).raise_for_status().json()["data"]
                able.append(sum(bool(each["weights"]) and not each["swapping"] for each in told))
                await asyncio.sleep(0.05)

    counting = asyncio.create_task(count())
    try:
        yield
        assert not counting.done()
    finally:
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)


def capacity(able: list[int]) -> dict[str, Any]:
    """The fewest engines at any moment."""
    how = f"engines that hold weights and are not out, of 2, at {len(able)} moments; both at {able.count(2)}"
    return {"full_swaps_fewest_engines": {"value": min(able), "bar": 1, "met": min(able) >= 1, "how": how}}


async def lose_one(served: Stack, admin: AdminClient, folder: Path, good: Path) -> dict[str, Any]:
    """Weights that are cut off after they were found good: what becomes of the engine that is given them."""
    path = folder / "spoilt"
    await asyncio.to_thread(shutil.copytree, good, path)
    await admin.register(path, "spoilt")
    await admin.stage("spoilt")
    before = await admin.rollouts()
    await asyncio.to_thread(truncate, path)
    told = ""
    try:
        await admin.roll_out("assistant", {"spoilt": 1.0}, "which must fail")
    except AdminRefused as refused:
        told = refused.code or str(refused)
    stayed = before == await admin.rollouts()
    began = time.monotonic()
    while not (gone := [each for each in served.engines if each.gone]) and time.monotonic() < began + 60:
        await asyncio.sleep(0.1)
    ended = round(time.monotonic() - began, 1)
    for each in gone:
        await asyncio.to_thread(each.restart)
    [version] = before["assistant"]
    back = time.monotonic()
    while not all([await asyncio.to_thread(each.holds) == version for each in served.engines]):
        await asyncio.sleep(0.1)
        if time.monotonic() > back + PATIENCE_SECONDS:
            break
    seconds = round(time.monotonic() - back, 3)
    how = (
        f"a file cut off between staging and rollout: {told}; alias stayed: {stayed}; the engine ended by itself "
        f"within {ended} s: {bool(gone)}; started again it held {version} after so many seconds; under load"
    )
    met = told == "swap_failed" and stayed and seconds <= PATIENCE_SECONDS
    return {
        "full_swaps_lost_engine_back_seconds": {
            "value": seconds,
            "bar": PATIENCE_SECONDS,
            "met": met,
            "how": how,
        }
    }


async def restarted(served: Stack, known: Fingerprints) -> dict[str, Any]:
    """How long an engine that was killed takes to hold what is in force again, by itself."""
    engine = served.engines[1]
    async with served.admin() as admin:
        [version] = (await admin.rollouts())["assistant"]
    await asyncio.to_thread(engine.restart)
    healthy = time.monotonic()
    while time.monotonic() < healthy + PATIENCE_SECONDS:
        if await asyncio.to_thread(engine.holds) == version:
            break
        await asyncio.sleep(0.05)
    seconds = round(time.monotonic() - healthy, 3)
    same = await asyncio.to_thread(spoken, engine, BASE) == known[version]
    how = f"SIGKILL, started again; from its first health until it holds {version}; answers as before: {same}"
    return {
        "full_swaps_restarted_seconds": {"value": seconds, "bar": PATIENCE_SECONDS, "met": same, "how": how}
    }


async def offer(admin: AdminClient, good: Path, folder: Path, number: int) -> str:
    """Register and stage weights that are bad in one way; why they were refused, or nothing."""
    name, spoil = BROKEN[number]
    path = folder / f"broken-{number}"
    await asyncio.to_thread(shutil.copytree, good, path)
    await asyncio.to_thread(spoil, path)
    try:
        version = (await admin.register(path, f"broken-{number}")).id
        await admin.stage(version)
        await admin.roll_out("assistant", {version: 1.0}, "which must not happen")
    except AdminRefused as refused:
        say.print(f"{name}: {refused}")
        return str(refused)
    return ""


def figures(
    served: Stack, load: Load, known: Fingerprints, took: list[tuple[float, float]], refused: list[str]
) -> dict[str, Any]:
    """As the other benchmarks tell theirs."""
    found, silence = judged(load.told, known), longest_silence(load.told)
    for line in (*found.failed[:5], *found.mixed[:5], *found.stale[:5]):
        say.print(line)
    how = (
        f"{len(took)} swaps of full weights on 2 replicas of {served.kind} under 16 streaming and 16 plain "
        f"clients; {found.answers} answers of {TOKENS} tokens by {found.versions} versions"
    )
    bad = [version for version in (each.version for each in load.told) if version.startswith("broken")]
    seconds = [end - start for start, end in took]
    return {
        "full_swaps_failed_answers": none_of(len(found.failed), how),
        "full_swaps_mixed_answers": none_of(len(found.mixed), how),
        "full_swaps_stale_prefix_answers": none_of(
            len(found.stale), f"{how}; {len(PROMPTS)} prompts share their opening"
        ),
        "full_swaps_longest_silence_seconds": {
            "value": round(silence, 3),
            "bar": LONGEST_SILENCE_SECONDS,
            "met": silence <= LONGEST_SILENCE_SECONDS and not found.failed,
            "how": f"{how}; longest time without an answer to any client; and none was refused",
        },
        "full_swaps_bad_weights_refused": {
            "value": sum(map(bool, refused)),
            "bar": len(refused),
            "met": all(refused) and not bad,
            "how": f"{', '.join(name for name, _ in BROKEN[: len(refused)])}; answers by bad versions: {len(bad)}",
        },
        "full_swaps_seconds": {
            "value": quantile(seconds, 0.5),
            "bar": None,
            "met": None,
            "how": f"{how}; median of a whole swap, both replicas; slowest {max(seconds):.2f} s",
        },
    }


def longest_silence(told: list[Told]) -> float:
    """The longest time in which no client got a whole answer."""
    ends = sorted(each.ended for each in told if not each.error)
    return max((after - before for before, after in itertools.pairwise(ends)), default=0.0)


def none_of(found: int, how: str) -> dict[str, Any]:
    """A count that must be zero."""
    return {"value": found, "bar": 0, "met": not found, "how": how}
