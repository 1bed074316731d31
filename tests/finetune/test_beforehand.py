"""What is found out before anything is begun: who runs already, and whether the gateway takes the key."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import select
from typer.testing import CliRunner

from finetune.beforehand import refuse_at_once, too_small
from finetune.claims import claim
from finetune.cli import app
from finetune.errors import GatewayAway, NothingToResume, RunUnderWay, Unready
from finetune.exams.contract import ExamPlan
from finetune.progress import Silence
from finetune.runs import Run, Worker
from finetune.settings import Situation, load_situation
from gateway.ledger.database import Database
from gateway.ledger.tables import RetrainingRow
from tests.serving import serving

NOWHERE = "http://127.0.0.1:9"
OURS = Worker("w2")


@pytest.fixture
def gateway() -> Iterator[str]:
    """An admin API that takes one key."""
    admin = FastAPI()

    @admin.get("/admin/rollouts")
    def rollouts(asked: Request) -> JSONResponse:
        if asked.headers["authorization"] != "Bearer right":
            return JSONResponse({"error": {"message": "a valid key is needed"}}, 401)
        return JSONResponse({"aliases": {"assistant": {"base": 1.0}}})

    with serving(admin) as server:
        yield server.url


def at(url: str, home: Path, key: str = "right", alias: str = "assistant") -> Situation:
    """A home whose credentials name this gateway."""
    told = {"base_url": url, "api_key": "sk", "admin_url": url, "admin_key": key}
    (home / "credentials.json").write_text(json.dumps(told))
    situation = load_situation(home=home)
    return replace(situation, gateway=situation.gateway.model_copy(update={"alias": alias}))


async def left(database: Database) -> Run:
    """A run that its worker let go of."""
    run = await claim(database, Worker("w1"), {"alias": "assistant"}, Silence())
    await run.release()
    return run


async def test_a_key_that_the_gateway_does_not_take_is_told_with_its_place(
    gateway: str, database: Database, tmp_path: Path
) -> None:
    with pytest.raises(Unready, match=f"the admin key of {tmp_path}/credentials.json"):
        await refuse_at_once(at(gateway, tmp_path, "wrong"), database, OURS, "new")


async def test_a_wrong_key_in_the_environment_is_told_with_its_variable(
    gateway: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_ADMIN_KEY", "wrong")
    with pytest.raises(Unready, match="the admin key of TRIMTAB_ADMIN_KEY"):
        await refuse_at_once(at(gateway, tmp_path), database, OURS, "new")


async def test_a_key_that_is_taken_is_let_through(gateway: str, database: Database, tmp_path: Path) -> None:
    await refuse_at_once(at(gateway, tmp_path), database, OURS, "new")


async def test_an_alias_that_the_gateway_does_not_have_is_told(
    gateway: str, database: Database, tmp_path: Path
) -> None:
    with pytest.raises(Unready, match="no alias 'helper'; set `alias` to one that it has: assistant"):
        await refuse_at_once(at(gateway, tmp_path, alias="helper"), database, OURS, "new")


async def test_no_run_begins_while_the_gateway_is_away(database: Database, tmp_path: Path) -> None:
    with pytest.raises(GatewayAway, match="is the gateway up"):
        await refuse_at_once(at(NOWHERE, tmp_path), database, OURS, "either")


async def test_a_run_that_was_left_is_gone_on_with_while_the_gateway_is_away(
    database: Database, tmp_path: Path
) -> None:
    await left(database)
    await refuse_at_once(at(NOWHERE, tmp_path), database, OURS, "either")


async def test_where_nothing_is_left_to_resume_a_wrong_key_is_told_first(
    gateway: str, database: Database, tmp_path: Path
) -> None:
    with pytest.raises(Unready):
        await refuse_at_once(at(gateway, tmp_path, "wrong"), database, OURS, "resume")
    with pytest.raises(NothingToResume):
        await refuse_at_once(at(gateway, tmp_path), database, OURS, "resume")


async def test_a_run_that_another_holds_is_told_before_the_gateway_is_asked(
    database: Database, tmp_path: Path
) -> None:
    await claim(database, Worker("w1"), {"alias": "assistant"}, Silence())
    with pytest.raises(RunUnderWay):
        await refuse_at_once(at(NOWHERE, tmp_path), database, OURS, "new")


def test_a_wrong_key_ends_with_2_and_abandons_no_run_that_was_left(gateway: str, tmp_path: Path) -> None:
    at(gateway, tmp_path, "wrong")

    async def states(*, begun: bool = False) -> list[str]:
        async with Database(f"sqlite:///{tmp_path}/ledger.db") as database:
            if begun:
                await left(database)
            async with database.read() as connection:
                return list(await connection.scalars(select(RetrainingRow.state)))

    before = asyncio.run(states(begun=True))
    assert CliRunner().invoke(app, ["run", "--new", "--home", str(tmp_path)]).exit_code == 2
    assert asyncio.run(states()) == before == ["running"]


@pytest.fixture
def small(tmp_path: Path) -> ExamPlan:
    """An exam of two harmful prompts and one harmless one."""
    kinds = {"a": "refusable", "b": "refusable", "c": "benign"}
    lines = [
        json.dumps({"id": name, "messages": [{"role": "user", "content": name}], "kind": kind})
        for name, kind in kinds.items()
    ]
    (tmp_path / "exam.jsonl").write_text("\n".join(lines))
    return ExamPlan(tmp_path / "exam.jsonl")


def test_an_exam_that_no_gate_lets_anything_pass_by_is_told_with_both_counts(small: ExamPlan) -> None:
    told = too_small(small, 2)
    assert told is not None
    assert "2 prompts of kind refusable and 1 of kind benign or borderline" in told
    assert "finetune.bars.fewest_prompts" in told


async def test_a_run_that_was_left_goes_on_by_the_exam_that_it_began_with(
    gateway: str, small: ExamPlan, database: Database, tmp_path: Path
) -> None:
    await left(database)
    situation = at(gateway, tmp_path)
    situation = replace(situation, settings=situation.settings.model_copy(update={"exam": small}))
    await refuse_at_once(situation, database, OURS, "either")
    with pytest.raises(Unready, match="would keep out whatever was trained"):
        await refuse_at_once(situation, database, OURS, "new")


def test_an_exam_with_enough_of_both_is_let_through(small: ExamPlan) -> None:
    assert too_small(small, 1) is None
