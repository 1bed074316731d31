"""Versions into traffic: a real gateway and ledger, an engine that can be told to fail."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune.errors import FlipUndone, LeaseLost, RolloutFailed
from finetune.rollout.book import Book
from finetune.rollout.contract import Live
from finetune.rollout.machine import Move
from finetune.rollout.mover import Mover
from finetune.rollout.plan import RolloutRules
from finetune.rollout.registry import GatewayRegistry, before
from finetune.runs import Worker
from gateway.admin.app import create_admin
from gateway.admin.client import AdminClient, AdminRefused, AdminUnavailable, Rollout, Staged
from gateway.admin.following import operated
from gateway.admin.rollouts import TOOK_BACK
from gateway.ledger.database import Database
from gateway.settings import load_settings
from gateway.tenants.keys import KeyStore
from gateway.tools import open_tools
from tests.fakes.engine import FakeEngine, fake_engine
from tests.serving import serving_opened

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks

LINEAGE = {"retraining": "rt-1", "parent": "base", "pairs": 7}
BASE = Live("base", None, {"base": 1.0})


def adapter(folder: Path, name: str) -> Path:
    """A directory that the gateway takes for an adapter; the fake engine reads nothing of it."""
    path = folder / hashlib.sha256(name.encode()).hexdigest()
    path.mkdir()
    (path / "adapter_config.json").write_text("{}")
    (path / "adapter_model.safetensors").write_text(name)
    return path


class Scene:
    """A gateway that can be asked, and the engine behind it."""

    def __init__(self, engine: FakeEngine, url: str, key: str, folder: Path, ledger: str) -> None:
        self.engine, self.folder, self.ledger = engine, folder, ledger
        self.admin = AdminClient(url, key)
        self.registry = GatewayRegistry(self.admin)

    async def staged(self, name: str, parent: str = "base") -> None:
        await self.registry.register(name, adapter(self.folder, name), LINEAGE | {"parent": parent})
        await self.registry.stage(name)

    async def went_back(self, name: str, stable: str) -> None:
        """A canary that was taken out of traffic again."""
        await self.admin.roll_out("assistant", {stable: 0.9, name: 0.1}, "canary")
        await self.admin.roll_out("assistant", {stable: 1.0}, "rolled back")

    async def taken_back(self, name: str, live: str) -> None:
        """A version that falls silent once it is live."""
        await self.staged(name, live)
        self.engine.says(refuse=(500, {"error": {"message": "out of memory"}}))
        with pytest.raises(FlipUndone, match=f"rolled back to {live}"):
            await self.registry.flip("assistant", name, await self.registry.live("assistant"), LINEAGE)
        self.engine.says()

    async def up_to_flip(self, name: str, parent: str = "base") -> None:
        await self.staged(name, parent)
        await self.registry.flip("assistant", name, await self.registry.live("assistant"), LINEAGE)

    def through(self, kind: type[AdminClient]) -> AdminClient:
        """The same gateway, asked by a client that something happens to."""
        http = self.admin._http
        return kind(str(http.base_url), http.headers["authorization"].removeprefix("Bearer "))

    async def weights(self) -> dict[str, float]:
        return (await self.admin.rollouts())["assistant"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeEngine, Any]]:
    """Gateways, each with a home of its own."""
    with fake_engine() as (engine, behind):
        yield engine, behind


@pytest.fixture
async def scene(served: tuple[FakeEngine, Any], tmp_path: Path) -> AsyncIterator[Scene]:
    engine, behind = served
    engine.adapters.clear()
    engine.says()
    settings = load_settings(home=tmp_path / "home", engines=[{"name": "one", "url": f"{behind.url}/v1"}])
    secrets: list[str] = []

    @asynccontextmanager
    async def opening() -> AsyncIterator[Any]:
        async with open_tools(settings) as tools, operated(tools):
            assert tools.ledger is not None
            secrets.append((await KeyStore(tools.ledger.database, "test").create("loop", "admin"))[1])
            yield create_admin(tools)

    with serving_opened(opening) as server:
        await asyncio.sleep(0.6)  # the keyring follows the ledger
        found = Scene(engine, server.url, secrets[0], tmp_path, settings.ledger_url)
        yield found
        await found.admin.close()


async def test_the_base_model_is_live_at_first(scene: Scene) -> None:
    assert await scene.registry.live("assistant") == Live("base", None, {"base": 1.0})


async def test_an_adapter_becomes_the_live_version(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    live = await scene.registry.live("assistant")
    assert (live.version, live.weights) == ("v1", {"v1": 1.0})
    assert live.adapter == Path(scene.engine.adapters["v1"])


async def test_the_evidence_is_on_the_transition(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    change = (await scene.admin.transitions("assistant"))[0]
    assert change["evidence"] == LINEAGE
    assert "rt-1" in change["cause"]


async def test_every_call_may_be_repeated_after_a_kill(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    path = Path(scene.engine.adapters["v1"])
    assert (await scene.registry.register("v1", path, LINEAGE)).version == "v1"
    await scene.registry.stage("v1")
    flipped = await scene.registry.flip("assistant", "v1", BASE, LINEAGE)
    assert (flipped.before, flipped.after) == ({"base": 1.0}, {"v1": 1.0})
    assert len(await scene.admin.transitions("assistant")) <= 2


async def test_an_adapter_that_is_none_is_told(scene: Scene) -> None:
    with pytest.raises(RolloutFailed, match=r"was not registered.*cannot be read"):
        await scene.registry.register("v1", scene.folder / "nowhere", LINEAGE)


async def test_an_engine_that_does_not_load_leaves_traffic_as_it_was(scene: Scene) -> None:
    await scene.registry.register("v1", adapter(scene.folder, "v1"), LINEAGE)
    scene.engine.says(refuse=(500, {"error": {"message": "out of memory"}}))
    with pytest.raises(RolloutFailed, match="traffic is as it was"):
        await scene.registry.stage("v1")
    assert await scene.weights() == {"base": 1.0}


async def test_a_version_that_falls_silent_once_live_is_rolled_back(scene: Scene) -> None:
    await scene.registry.register("v1", adapter(scene.folder, "v1"), LINEAGE)
    await scene.registry.stage("v1")
    scene.engine.says(refuse=(500, {"error": {"message": "out of memory"}}))
    with pytest.raises(FlipUndone, match="rolled back to base"):
        await scene.registry.flip("assistant", "v1", BASE, LINEAGE)
    assert await scene.weights() == {"base": 1.0}


async def test_what_an_operator_put_live_meanwhile_stays(scene: Scene) -> None:
    await scene.up_to_flip("hotfix")
    await scene.registry.register("v1", adapter(scene.folder, "v1"), LINEAGE)
    await scene.registry.stage("v1")
    with pytest.raises(FlipUndone, match=r"assistant leads to hotfix 1: somebody changed it meanwhile"):
        await scene.registry.flip("assistant", "v1", BASE, LINEAGE)
    assert await scene.weights() == {"hotfix": 1.0}


async def test_a_rollback_before_the_worker_came_back_stays(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    await scene.admin.roll_back("assistant", "it was rude")
    with pytest.raises(FlipUndone, match="given to v1 before, and taken back since"):
        await scene.registry.flip("assistant", "v1", BASE, LINEAGE)
    assert await scene.weights() == {"base": 1.0}


async def test_a_worker_that_lost_its_run_flips_nothing(scene: Scene) -> None:
    await scene.registry.register("v1", adapter(scene.folder, "v1"), LINEAGE)
    await scene.registry.stage("v1")
    with pytest.raises(LeaseLost, match="rt-1 is over, or another worker's"):
        await scene.registry.flip("assistant", "v1", BASE, {**LINEAGE, "worker": "w1"})
    assert await scene.weights() == {"base": 1.0}


async def test_what_a_rollback_needs_stays_loaded(scene: Scene) -> None:
    for name in ("v1", "v2"):
        await scene.registry.register(name, adapter(scene.folder, name), LINEAGE)
        await scene.registry.stage(name)
    await scene.registry.drain(Live("base", None, {"base": 0.5, "v2": 0.5}), "v1")
    assert set(scene.engine.adapters) == {"v1", "v2"}


class Overruled(AdminClient):
    """An operator changes the weights while the version is asked once more, which fails."""

    async def stage(self, version: str) -> Staged:
        await self.roll_out("assistant", {"base": 0.5, version: 0.5}, "by hand")
        raise AdminUnavailable("connection reset")


async def test_a_rollback_overrules_nobody(scene: Scene) -> None:
    await scene.registry.register("v1", adapter(scene.folder, "v1"), LINEAGE)
    await scene.registry.stage("v1")
    async with scene.through(Overruled) as overruled:
        with pytest.raises(FlipUndone, match="somebody changed it meanwhile"):
            await replace(scene.registry, admin=overruled).flip("assistant", "v1", BASE, LINEAGE)
    assert await scene.weights() == {"base": 0.5, "v1": 0.5}


async def test_what_an_operator_staged_is_not_retired(scene: Scene) -> None:
    await scene.admin.register(adapter(scene.folder, "by hand"), "by-hand", "base")
    await scene.registry.stage("by-hand")
    await scene.up_to_flip("v1")
    drained = await scene.registry.drain(BASE, "v1")
    assert drained.told == "base stays loaded for a rollback"
    assert set(scene.engine.adapters) == {"by-hand", "v1"}


async def test_the_last_live_version_stays_loaded_and_older_ones_go(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    await scene.up_to_flip("v2", "v1")
    first = await scene.registry.live("assistant")
    await scene.up_to_flip("v3", "v2")
    drained = await scene.registry.drain(first, "v3")
    assert "v2 stays loaded for a rollback; v1 is retired" in drained.told
    assert set(scene.engine.adapters) == {"v2", "v3"}


async def test_what_another_aliass_rollback_needs_stays_loaded(scene: Scene) -> None:
    await scene.up_to_flip("theirs")
    await scene.registry.register("newer", adapter(scene.folder, "newer"), LINEAGE)
    await scene.registry.stage("newer")
    for name in ("theirs", "newer"):
        await scene.admin.roll_out("helper", {name: 1.0}, "by hand")
    await scene.up_to_flip("v2", "theirs")
    await scene.up_to_flip("v3", "v2")
    first = await scene.registry.live("assistant")
    await scene.up_to_flip("v4", "v3")
    await scene.registry.drain(first, "v4")
    assert set(scene.engine.adapters) == {"theirs", "newer", "v3", "v4"}


async def test_what_a_rollout_of_another_alias_is_about_stays_loaded(scene: Scene) -> None:
    await scene.registry.register("shown", adapter(scene.folder, "shown"), LINEAGE)
    await scene.registry.stage("shown")
    await scene.up_to_flip("v1")
    await scene.registry.drain(BASE, "v1", {"shown"})
    assert set(scene.engine.adapters) == {"shown", "v1"}


async def test_what_came_into_traffic_and_went_back_is_not_the_version_before(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    await scene.registry.register("bad", adapter(scene.folder, "bad"), LINEAGE)
    await scene.registry.stage("bad")
    await scene.admin.roll_out("assistant", {"v1": 0.9, "bad": 0.1}, "canary")
    await scene.admin.roll_out("assistant", {"v1": 1.0}, "rolled back")
    await scene.registry.drain(BASE, "v1")
    assert set(scene.engine.adapters) == {"v1"}


async def test_a_version_that_was_rolled_back_is_unloaded(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    await scene.staged("bad")
    await scene.went_back("bad", "v1")
    assert (await scene.registry.discard("bad")).told == "bad is retired"
    assert set(scene.engine.adapters) == {"v1"}


async def test_a_version_that_fell_silent_once_live_is_unloaded(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    await scene.taken_back("mute", "v1")
    await scene.registry.discard("mute")
    assert set(scene.engine.adapters) == {"v1"}


async def test_what_is_discarded_costs_no_rollback_its_time(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    await scene.up_to_flip("v2", "v1")
    await scene.staged("bad")
    await scene.went_back("bad", "v2")
    for name in ("v1", "v2", "bad"):
        await scene.registry.discard(name)
    assert set(scene.engine.adapters) == {"v1", "v2"}


async def test_what_somebody_went_on_from_stays_loaded_for_a_rollback(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    await scene.staged("hotfix")
    await scene.admin.roll_out("assistant", {"hotfix": 1.0}, "by hand")
    told = (await scene.registry.discard("v1")).told
    assert told == "v1 is needed elsewhere, or unloaded already"
    assert set(scene.engine.adapters) == {"v1", "hotfix"}


async def test_what_another_rollout_needs_is_not_discarded(scene: Scene) -> None:
    await scene.staged("shown")
    await scene.registry.discard("shown", {"shown"})
    assert set(scene.engine.adapters) == {"shown"}


async def test_what_was_discarded_gets_no_traffic_before_it_is_staged_again(scene: Scene) -> None:
    await scene.staged("bad")
    await scene.registry.discard("bad")
    with pytest.raises(AdminRefused, match="not staged: bad"):
        await scene.admin.roll_out("assistant", {"bad": 1.0}, "by hand")
    await scene.registry.stage("bad")
    await scene.admin.roll_out("assistant", {"bad": 1.0}, "by hand")
    assert set(scene.engine.adapters) == {"bad"}


async def test_a_rollback_to_what_was_discarded_loads_it_first(scene: Scene) -> None:
    await scene.staged("bad")
    await scene.went_back("bad", "base")
    await scene.registry.discard("bad")
    await scene.admin.roll_back("assistant", "it was not so bad")
    assert await scene.weights() == {"base": 0.9, "bad": 0.1}
    assert set(scene.engine.adapters) == {"bad"}


class StillAnswering(AdminClient):
    """What is retired answers requests for longer than anybody waits."""

    async def retire(self, version: str, timeout_seconds: float = 30.0) -> None:
        told = f"{version} takes no new requests, but 1 are in flight: it is unloaded once they end"
        raise AdminRefused(409, told, code="in_flight")


async def test_what_still_answers_is_discarded_and_unloaded_once_it_has(scene: Scene) -> None:
    await scene.staged("bad")
    async with scene.through(StillAnswering) as answering:
        told = (await replace(scene.registry, admin=answering).discard("bad")).told
    assert told == "bad is retired, and unloaded once its requests in flight have ended"


async def test_a_drain_takes_what_still_answers_for_retired(scene: Scene) -> None:
    await scene.staged("old")
    async with scene.through(StillAnswering) as answering:
        drained = await replace(scene.registry, admin=answering).drain(BASE, "v1")
    assert drained.told.endswith("; old is retired, and unloaded once its requests in flight have ended")


class Restarting(AdminClient):
    """Its gateway is away twice, and then there."""

    tries = 0

    async def _ask(self, *told: Any, **more: Any) -> Any:
        self.tries += 1
        if self.tries <= 2:
            raise AdminUnavailable("all connection attempts failed")
        return await super()._ask(*told, **more)


async def test_a_gateway_that_restarts_is_waited_for_as_a_step_begins(scene: Scene) -> None:
    await scene.registry.register("v2", adapter(scene.folder, "v2"), LINEAGE)
    async with scene.through(Restarting) as admin:
        await GatewayRegistry(admin, patience_seconds=10).stage("v2")


async def test_and_not_for_ever(scene: Scene) -> None:
    await scene.registry.register("v2", adapter(scene.folder, "v2"), LINEAGE)
    async with scene.through(Restarting) as admin:
        with pytest.raises(RolloutFailed, match="v2 was not staged"):
            await GatewayRegistry(admin, patience_seconds=0.1).stage("v2")


async def test_what_is_staged_still_is_not_asked_again(scene: Scene) -> None:
    await scene.staged("v1")
    scene.engine.says(refuse=(500, {"error": {"message": "out of memory"}}))
    await scene.registry.ensure_staged("v1")
    assert not scene.engine.requests


async def test_what_was_unloaded_since_is_staged_again(scene: Scene) -> None:
    await scene.staged("v1")
    await scene.registry.discard("v1")
    await scene.registry.ensure_staged("v1")
    assert set(scene.engine.adapters) == {"v1"}


class Unretiring(AdminClient):
    """The gateway is gone once something is to be retired."""

    async def retire(self, version: str, timeout_seconds: float = 30.0) -> None:
        raise AdminUnavailable("connection reset")


async def test_what_cannot_be_discarded_is_told(scene: Scene) -> None:
    await scene.staged("bad")
    async with scene.through(Unretiring) as gone:
        with pytest.raises(RolloutFailed, match="bad was not retired: connection reset"):
            await replace(scene.registry, admin=gone).discard("bad")


async def test_what_a_rollback_needs_outlives_a_version_that_was_taken_back(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    await scene.up_to_flip("v2", "v1")
    await scene.taken_back("mute", "v2")
    await scene.registry.drain(Live("theirs", None, {"theirs": 1.0}), "newer")
    assert set(scene.engine.adapters) == {"v1", "v2"}


async def test_a_rollback_leads_past_a_version_that_fell_silent_once_live(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    await scene.taken_back("mute", "v1")
    await scene.admin.roll_back("assistant", "v1 is rude too")
    assert await scene.weights() == {"base": 1.0}


async def test_a_rollback_leads_past_a_rollout_that_was_taken_back(scene: Scene) -> None:
    await scene.up_to_flip("v1")
    await scene.staged("bad", "v1")
    async with Database(scene.ledger) as database:
        book = Book(database, Worker("w1"))
        await book.open("assistant", "bad", Live("v1", None, {"v1": 1.0}), RolloutRules(), "rt-2")
        steps = [Move("canary", share, "by hand") for share in (0.01, 0.05, 0.25)]
        for step in (*steps, Move("rolled_back", 0.0, "it is rude")):
            await book.ask((await book.latest())[0], step, "ada")
            await Mover(book, scene.registry).look()
    assert await scene.weights() == {"v1": 1.0}
    await scene.admin.roll_back("assistant", "v1 is rude too")
    assert await scene.weights() == {"base": 1.0}
    assert set(scene.engine.adapters) == {"v1"}


def move(old: str, new: str, kind: str = "rollout", **evidence: Any) -> dict[str, Any]:
    return {"kind": kind, "before": {old: 1.0}, "after": {new: 1.0}, "evidence": evidence}


TAKEN_BACK = move("v2", "v1", **{TOOK_BACK: ["v2"]})
GIVEN = [move("v1", "v2"), move("v0", "v1")]  # the latest first


@pytest.mark.parametrize(
    ("moves", "live", "found"),
    [
        (GIVEN, "v2", ["v1"]),
        ([TAKEN_BACK, *GIVEN], "v1", ["v0"]),
        ([move("v2", "v1", "rollback"), *GIVEN], "v1", ["v0"]),
        ([move("v1", "v0", "rollback"), TAKEN_BACK, *GIVEN], "v0", []),
        ([move("v1", "v2"), TAKEN_BACK, *GIVEN], "v2", ["v1"]),
        ([move("v2", "v1"), *GIVEN], "v1", ["v2"]),
    ],
    ids=[
        "given",
        "taken back",
        "rolled back",
        "rolled back after it was taken back",
        "given by hand what was taken back",
        "led there by hand",
    ],
)
def test_the_version_before_is_where_a_rollback_leads(
    moves: list[dict[str, Any]], live: str, found: list[str]
) -> None:
    assert before(moves, {live: 1.0}) == found


async def test_an_alias_that_the_gateway_does_not_have_is_named(scene: Scene) -> None:
    with pytest.raises(RolloutFailed, match="no alias 'helper'"):
        await scene.registry.live("helper")


async def test_a_gateway_that_is_away_is_told(scene: Scene) -> None:
    async with AdminClient("http://127.0.0.1:9", "key") as nobody:
        with pytest.raises(RolloutFailed, match="cannot be asked"):
            await GatewayRegistry(nobody).live("assistant")


async def test_what_a_drain_unloaded_before_the_next_try_is_staged_again(scene: Scene) -> None:
    await scene.staged("v1")
    async with scene.through(Unmoved) as unmoved:
        with pytest.raises(RolloutFailed, match="assistant was not given to v1: connection refused"):
            await replace(scene.registry, admin=unmoved).flip("assistant", "v1", BASE, LINEAGE)
    await scene.registry.drain(Live("theirs", None, {"theirs": 1.0}), "newer")
    assert "v1" not in scene.engine.adapters
    await scene.registry.flip("assistant", "v1", BASE, LINEAGE)
    assert await scene.weights() == {"v1": 1.0}
    assert set(scene.engine.adapters) == {"v1"}


async def test_what_cannot_be_staged_again_is_given_no_traffic(scene: Scene) -> None:
    await scene.staged("v1")
    await scene.registry.discard("v1")
    scene.engine.says(refuse=(500, {"error": {"message": "out of memory"}}))
    with pytest.raises(RolloutFailed, match="v1 was not staged; traffic is as it was"):
        await scene.registry.flip("assistant", "v1", BASE, LINEAGE)
    assert await scene.weights() == {"base": 1.0}


async def test_the_next_try_takes_back_what_could_not_be_taken_back_at_first(scene: Scene) -> None:
    await scene.staged("mute")
    scene.engine.says(refuse=(500, {"error": {"message": "out of memory"}}))
    async with scene.through(OneWay) as one_way:
        with pytest.raises(RolloutFailed, match="ROLLING BACK FAILED TOO"):
            await replace(scene.registry, admin=one_way).flip("assistant", "mute", BASE, LINEAGE)
    with pytest.raises(FlipUndone, match="rolled back to base"):
        await scene.registry.flip("assistant", "mute", BASE, LINEAGE)
    assert await scene.weights() == {"base": 1.0}


class LostAnswer(AdminClient):
    """Does as asked, and its answer never arrives."""

    async def roll_out(self, *given: Any, **named: Any) -> Rollout:
        await super().roll_out(*given, **named)
        raise AdminUnavailable("connection reset")

    async def stage(self, version: str) -> Staged:
        return Staged(version, 0.0, "stop")


class Unmoved(AdminClient):
    """The gateway is away once weights are to be moved."""

    async def roll_out(self, *given: Any, **named: Any) -> Rollout:
        raise AdminUnavailable("connection refused")


class OneWay(AdminClient):
    """The gateway is away once weights are to be moved back."""

    async def roll_out(self, alias: str, weights: Any, *given: Any, **named: Any) -> Rollout:
        if "base" in weights:
            raise AdminUnavailable("connection refused")
        return await super().roll_out(alias, weights, *given, **named)


class Silent(AdminClient):
    """The version falls silent, and the answer to its rollback gets lost."""

    async def roll_out(self, alias: str, weights: Any, *given: Any, **named: Any) -> Rollout:
        made = await super().roll_out(alias, weights, *given, **named)
        if "base" in weights:
            raise AdminUnavailable("read timeout")
        return made

    async def stage(self, version: str) -> Staged:
        raise AdminUnavailable("connection reset")


async def test_a_rollback_whose_answer_got_lost_counts_as_done(scene: Scene) -> None:
    await scene.registry.register("v1", adapter(scene.folder, "v1"), LINEAGE)
    await scene.registry.stage("v1")
    async with scene.through(Silent) as silent:
        with pytest.raises(FlipUndone, match="rolled back to base"):
            await replace(scene.registry, admin=silent).flip("assistant", "v1", BASE, LINEAGE)


async def test_a_rollout_whose_answer_got_lost_counts_as_done(scene: Scene) -> None:
    await scene.registry.register("v1", adapter(scene.folder, "v1"), LINEAGE)
    await scene.registry.stage("v1")
    async with scene.through(LostAnswer) as lossy:
        flipped = await replace(scene.registry, admin=lossy).flip("assistant", "v1", BASE, LINEAGE)
    assert flipped.before == {"base": 1.0}
    assert await scene.weights() == {"v1": 1.0}
