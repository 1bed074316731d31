"""Rollouts over a real ledger: moved once, by one worker, whatever is killed, and never against somebody's word."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from finetune.claims import claim
from finetune.errors import FlipUndone, LeaseLost, RolloutFailed
from finetune.progress import Silence
from finetune.rollout.book import Book, Rollout
from finetune.rollout.contract import Live, Registered
from finetune.rollout.controller import advance
from finetune.rollout.machine import Move
from finetune.rollout.plan import RolloutRules
from finetune.rollout.reading import PAIRING, kept_in, read_on
from finetune.runs import Worker
from gateway.admin.rollouts import TOOK_BACK
from gateway.ledger.database import Database
from gateway.ledger.rollout_tables import OutcomeRow, RolloutRow
from gateway.ledger.tables import TransitionRow, VersionRow

RULES = RolloutRules(
    shadow_pairs=5, step_pairs=5, shares=(0.1, 0.5), flagged_margin=0, settle_seconds=0, shadow_share=0.5
)
LIVE = Move("live", 1.0, "we are sure")
OLD = Live("base", None, {"base": 1.0})


class Killed(BaseException):
    """The worker dies."""


@dataclass
class FakeTraffic:
    """Weights in memory; `before` and `after` may raise."""

    held: dict[str, float] = field(default_factory=lambda: {"base": 1.0})
    put_count: int = 0
    dies: str = ""
    meanwhile: Callable[[], Awaitable[None]] | None = None  # what happens elsewhere during a move
    told: list[Mapping[str, Any]] = field(default_factory=list)  # the evidence of each move
    trail: list[Mapping[str, Any]] = field(default_factory=list)

    async def weights(self, alias: str) -> dict[str, float]:
        return dict(self.held)

    async def moves(self, alias: str) -> Sequence[Mapping[str, Any]]:
        return self.trail[::-1]

    async def put(
        self,
        alias: str,
        weights: Mapping[str, float],
        cause: str,
        evidence: Mapping[str, Any],
        expected: Mapping[str, float],
    ) -> None:
        if self.dies == "before":
            raise Killed
        if self.dies == "away":
            raise RolloutFailed("the gateway is away")
        if dict(expected) != self.held:
            raise FlipUndone("somebody else was faster")
        self.held, self.put_count = dict(weights), self.put_count + 1
        self.told.append(evidence)
        self.trail.append({"kind": "rollout", "after": dict(weights), "evidence": evidence})
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.dies == "after":
            raise Killed

    def rolled_back(self) -> None:
        """An operator's word."""
        self.held = {"base": 1.0}
        self.trail.append({"kind": "rollback", "after": dict(self.held), "evidence": {}})


@dataclass
class Scene:
    """A ledger with two versions, a book for each worker, and traffic."""

    database: Database
    traffic: FakeTraffic = field(default_factory=FakeTraffic)
    count: int = 0

    def book(self, name: str = "w1", lease: float = 30.0) -> Book:
        return Book(self.database, Worker(name, lease))

    async def begun(self, rules: RolloutRules = RULES) -> str:
        now = datetime.now(UTC)
        made = [
            {"id": name, "base": "m", "lineage": {}, "state": "staged", "created_at": now}
            for name in ("base", "v2")
        ]
        async with self.database.write() as connection:
            await connection.execute(insert(VersionRow), made)
        return (await self.book().open("assistant", "v2", OLD, rules, "rt-1")).rollout

    async def look(self, name: str = "w1", hours: float = 0.0) -> list[str]:
        """One look, so many hours from now; the states that it led to."""
        now = datetime.now(UTC) + timedelta(hours=hours)
        return [each.move.state for each in await advance(self.book(name), self.traffic, now)]

    async def paused(self, hours: float) -> None:
        """Somebody paused it so many hours ago."""
        await self.book().pause(await self.rollout(), "ada", paused=True)
        latest = select(func.max(TransitionRow.id)).scalar_subquery()
        then = {"created_at": datetime.now(UTC) - timedelta(hours=hours)}
        async with self.database.write() as connection:
            await connection.execute(update(TransitionRow).where(TransitionRow.id == latest).values(**then))
            await connection.execute(update(RolloutRow).values(**then))

    async def rollout(self) -> Rollout:
        return (await self.book().latest())[0]

    async def happened(self, pairs: int, *, flagged: bool = False, arm: str = "canary") -> None:
        """So many pairs of outcomes, of which the new one's were flagged or not."""
        rollout, rows = await self.rollout(), []
        for _ in range(pairs):
            self.count += 1
            shared = {
                "rollout_id": rollout.id,
                "exchange_id": f"x{self.count}",
                "conversation": f"c{self.count}",
                "admitted_at": datetime.now(UTC) - timedelta(seconds=1),
                "refused": False,
                "failed": False,
                "words": 9,
                "reward": None,
            }
            rows.append(shared | {"arm": arm, "version": "v2", "flagged": flagged})
            rows.append(shared | {"arm": "stable", "version": "base", "flagged": False})
        async with self.database.write() as connection:
            await connection.execute(insert(OutcomeRow), rows)

    async def lapsed(self) -> None:
        """The lease that a dead worker held has run out."""
        async with self.database.write() as connection:
            await connection.execute(update(RolloutRow).values(lease_until=datetime.now(UTC)))

    async def steps(self) -> list[str]:
        """The states of the trail, in order."""
        query = (
            select(TransitionRow.after).where(TransitionRow.kind == "rollout_step").order_by(TransitionRow.id)
        )
        async with self.database.read() as connection:
            return [
                f"{after['state']} {after.get('share', 0):g}" for (after,) in await connection.execute(query)
            ]


async def registered() -> Registered:
    return Registered("v9")


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


async def test_all_the_way_with_nothing_against_it(scene: Scene) -> None:
    await scene.begun()
    assert await scene.look() == ["shadow"]
    assert scene.traffic.held == {"base": 1.0}
    await scene.happened(5, arm="shadow")
    assert await scene.look() == ["canary"]
    assert scene.traffic.held == {"base": 0.9, "v2": 0.1}
    await scene.happened(5)
    assert await scene.look() == ["canary"]
    await scene.happened(5)
    assert await scene.look() == ["live"]
    assert scene.traffic.held == {"v2": 1.0}
    assert await scene.steps() == ["staged 0", "shadow 0.5", "canary 0.1", "canary 0.5", "live 1"]
    assert (await scene.rollout()).ended_at is not None


async def test_a_worse_one_goes_back_to_where_it_came_from(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.happened(5, arm="shadow")
    await scene.look()
    await scene.happened(30, flagged=True)
    assert await scene.look() == ["rolled_back"]
    assert scene.traffic.held == {"base": 1.0}
    assert "flagged: worse in 30" in (await scene.rollout()).reasons[-1]


async def test_only_the_move_that_takes_back_says_so(scene: Scene) -> None:
    await scene.begun(replace(RULES, shadow_share=0))
    await scene.look()
    await scene.happened(5)
    await scene.look()
    await scene.happened(30, flagged=True)
    await scene.look()
    assert [told.get(TOOK_BACK) for told in scene.traffic.told] == [None, None, ["v2"]]


async def test_an_alarm_in_the_shadow_reaches_no_client(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.happened(30, flagged=True, arm="shadow")
    assert await scene.look() == ["rolled_back"]
    assert scene.traffic.put_count == 0


async def test_evidence_outlives_a_change_of_share(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.happened(6, flagged=True, arm="shadow")
    rollout = await scene.rollout()
    assert await scene.book().take(rollout)
    first = await read_on(scene.book(), rollout, datetime.now(UTC))
    await scene.look()
    await scene.happened(1, flagged=True)
    rollout = await scene.rollout()
    seen = await read_on(scene.book(), rollout, datetime.now(UTC))
    assert seen.evidence["flagged"].worse == first.evidence["flagged"].worse + 1
    assert (first.pairs, seen.pairs) == (6, 1)


async def test_no_outcome_is_read_twice(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.happened(3, arm="shadow")
    for _ in range(3):
        await scene.look()
    rollout = await scene.rollout()
    async with scene.database.read() as connection:
        kept = await kept_in(connection, rollout.id)
    assert kept["flagged"]["pairs"] == 3
    assert kept[PAIRING]["cursor"] == 6


async def test_of_a_conversation_the_first_outcome_counts(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.happened(4, arm="shadow")
    async with scene.database.write() as connection:
        await connection.execute(update(OutcomeRow).values(conversation="the same"))
    rollout = await scene.rollout()
    assert await scene.book().take(rollout)
    assert (await read_on(scene.book(), rollout, datetime.now(UTC))).pairs == 1


async def test_what_may_still_be_overtaken_is_left_for_later(scene: Scene) -> None:
    await scene.begun(replace(RULES, settle_seconds=3600))
    await scene.look()
    await scene.happened(9, arm="shadow")
    assert await scene.look() == []


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_worker_killed_about_the_move_is_gone_on_for(scene: Scene, moment: str) -> None:
    await scene.begun()
    await scene.look()
    await scene.happened(5, arm="shadow")
    scene.traffic.dies = moment
    with pytest.raises(Killed):
        await scene.look()
    scene.traffic.dies = ""
    assert await scene.look("w2") == []  # the dead one's lease still holds
    await scene.lapsed()
    assert await scene.look("w2") == ["canary"]
    assert scene.traffic.put_count == 1
    assert (await scene.steps())[-1] == "canary 0.1"


async def test_a_rollback_after_a_worker_was_killed_is_not_overruled(scene: Scene) -> None:
    """From a shadow it leads to where the shadow stood: weights alone do not tell that it came."""
    await scene.begun()
    await scene.look()
    await scene.happened(5, arm="shadow")
    scene.traffic.dies = "after"
    with pytest.raises(Killed):
        await scene.look()
    scene.traffic.dies = ""
    scene.traffic.rolled_back()
    await scene.lapsed()
    assert await scene.look("w2") == ["stopped"]
    assert scene.traffic.held == {"base": 1.0}


async def test_a_gateway_that_is_away_is_asked_again(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.happened(5, arm="shadow")
    scene.traffic.dies = "away"
    assert await scene.look() == []
    scene.traffic.dies = ""
    assert await scene.look() == ["canary"]


async def test_somebodys_own_change_stands(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.happened(5, arm="shadow")
    scene.traffic.held = {"base": 0.4, "v9": 0.6}
    assert await scene.look() == ["stopped"]
    assert scene.traffic.held == {"base": 0.4, "v9": 0.6}


async def test_two_workers_never_move_it_twice(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.happened(5, arm="shadow")
    async with scene.database.write() as connection:
        await connection.execute(update(RolloutRow).values(owner=None, lease_until=None))
    looks = await asyncio.gather(*(scene.look(f"w{i}") for i in range(6)))
    assert [state for look in looks for state in look] == ["canary"]
    assert scene.traffic.put_count == 1


async def test_a_worker_that_slept_past_its_lease_writes_nothing(scene: Scene) -> None:
    await scene.begun()
    rollout = await scene.rollout()
    assert await scene.book("w1", lease=0.01).take(rollout)
    await asyncio.sleep(0.02)
    assert await scene.book("w2").take(rollout)
    with pytest.raises(LeaseLost):
        await scene.book("w1").settle(rollout, Move("live", 1.0, "late"), {})


async def test_what_was_asked_by_hand_is_done_before_what_evidence_says(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.book().ask(await scene.rollout(), LIVE, "ada")
    assert await scene.look() == ["live"]
    assert "we are sure (by ada)" in (await scene.rollout()).reasons


async def test_what_was_asked_by_hand_is_done_though_time_ran_out(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.book().ask(await scene.rollout(), LIVE, "ada")
    assert await scene.look(hours=73) == ["live"]


async def test_what_was_asked_by_hand_is_done_against_an_alarm(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.happened(30, flagged=True, arm="shadow")
    await scene.book().ask(await scene.rollout(), LIVE, "ada")
    assert await scene.look() == ["live"]


async def test_what_is_asked_while_a_worker_moves_it_is_done_next(scene: Scene) -> None:
    await scene.begun()
    rollout, book = await scene.rollout(), scene.book()
    assert await book.take(rollout)
    await scene.book("ada's").ask(rollout, LIVE, "ada")
    shadow = Move("shadow", 0.5, "it answers")
    await book.intend(rollout, shadow)
    await book.settle(rollout, shadow, {})
    assert await scene.look() == ["live"]


async def test_what_is_asked_while_its_last_move_is_made_is_done_before_it_ends(scene: Scene) -> None:
    await scene.begun()
    rollout, book = await scene.rollout(), scene.book()
    assert await book.take(rollout)
    await book.intend(rollout, LIVE)
    scene.traffic.held = {"v2": 1.0}
    await scene.book("ada's").ask(rollout, Move("rolled_back", 0.0, "it is rude"), "ada")
    await book.settle(rollout, LIVE, {})
    assert await scene.look() == ["rolled_back"]
    assert scene.traffic.held == {"base": 1.0}
    assert (await scene.rollout()).ended_at is not None


async def ended_while_asked(scene: Scene, move: Move, ask: Move, held: dict[str, float]) -> Rollout:
    """A last move, in the midst of which somebody asks for another."""
    await scene.begun()
    rollout, book = await scene.rollout(), scene.book()
    assert await book.take(rollout)
    await book.intend(rollout, move)
    scene.traffic.held = held
    await scene.book("ada's").ask(rollout, ask, "ada")
    await book.settle(rollout, move, {})
    assert await scene.look() == []
    assert scene.traffic.held == held
    return await scene.rollout()


@pytest.mark.parametrize("state", ["stopped", "rolled_back"])
async def test_a_promotion_that_is_asked_as_it_ends_is_told_and_not_done(scene: Scene, state: Any) -> None:
    ended = await ended_while_asked(scene, Move(state, 0.0, "somebody's word stands"), LIVE, {"base": 1.0})
    assert ended.reasons[-1] == "asked too late: we are sure (by ada)"
    assert (ended.state, ended.asked) == (state, None)


async def test_what_is_asked_as_it_is_done_is_not_done_twice(scene: Scene) -> None:
    ended = await ended_while_asked(scene, Move("live", 1.0, "proven"), LIVE, {"v2": 1.0})
    assert ended.reasons == ("proven",)


async def test_what_was_moved_before_a_failure_is_told(scene: Scene) -> None:
    await scene.begun()

    async def and_then() -> None:
        await scene.book("ada's").ask(await scene.rollout(), Move("rolled_back", 0.0, "it is rude"), "ada")
        scene.traffic.dies, scene.traffic.meanwhile = "away", None

    scene.traffic.meanwhile = and_then
    await scene.book().ask(await scene.rollout(), LIVE, "ada")
    assert await scene.look() == ["live"]
    scene.traffic.dies = ""
    assert await scene.look() == ["rolled_back"]


async def test_what_is_asked_after_its_last_move_is_refused(scene: Scene) -> None:
    await scene.begun()
    rollout, book = await scene.rollout(), scene.book()
    assert await book.take(rollout)
    await book.settle(rollout, LIVE, {})
    with pytest.raises(RolloutFailed, match="is over: "):
        await book.ask(rollout, Move("rolled_back", 0.0, "it is rude"), "ada")


async def test_a_pause_outlasts_the_time_that_a_rollout_has(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.paused(hours=73)
    assert await scene.look() == []


async def test_after_a_pause_it_has_the_time_that_it_had(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.paused(hours=73)
    await scene.book().pause(await scene.rollout(), "ada", paused=False)
    assert await scene.look(hours=71) == []
    assert await scene.look(hours=73) == ["rolled_back"]


async def test_a_paused_one_goes_back_but_not_on(scene: Scene) -> None:
    await scene.begun()
    await scene.look()
    await scene.book().pause(await scene.rollout(), "ada", paused=True)
    await scene.happened(5, arm="shadow")
    assert await scene.look() == []
    await scene.happened(30, flagged=True, arm="shadow")
    assert await scene.look() == ["rolled_back"]


async def test_a_retraining_begins_one_rollout_however_often_it_asks(scene: Scene) -> None:
    first = await scene.begun()
    assert (await scene.book("w2").open("assistant", "v2", OLD, RULES, "rt-1")).rollout == first


async def test_an_alias_takes_one_new_version_at_a_time(scene: Scene) -> None:
    await scene.begun()
    with pytest.raises(RolloutFailed, match="one new version at a time"):
        await scene.book().open("assistant", "v2", OLD, RULES, "rt-2")


async def test_versions_of_rollouts_and_of_retrainings_under_way_are_needed(scene: Scene) -> None:
    await scene.begun()
    plan = {"alias": "helper"}
    run = await claim(scene.database, Worker("w1"), plan, Silence())
    await run.once("register", Registered, registered)
    assert await scene.book().needed() == {"base", "v2", "v9"}
    await run.end("kept", ())
    assert await scene.book().needed() == {"base", "v2"}


async def test_what_a_retraining_that_ends_was_to_bring_in_is_needed_no_more(scene: Scene) -> None:
    await scene.begun()
    run = await claim(scene.database, Worker("w1"), {"alias": "helper"}, Silence())
    await run.once("register", Registered, registered)
    assert await scene.book().needed(but=run.id) == {"base", "v2"}


async def test_a_rollout_begins_from_one_version_alone(scene: Scene) -> None:
    split = Live("base", None, {"base": 0.5, "v1": 0.5})
    with pytest.raises(RolloutFailed, match="from one version alone"):
        await scene.book().open("assistant", "v2", split, RULES, "rt-1")
