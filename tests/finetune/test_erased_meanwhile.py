"""An erasure that comes during a run: what it reached goes at once, and the run ends and says why."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from finetune.errors import TrainingFailed
from finetune.exams.registered import LedgerRegistrar
from finetune.pairs.leftovers import sweep
from finetune.retrain import Outcome
from finetune.rollout.plan import RolloutRules
from gateway.erasure.erase import erase
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.tables import RetrainingRow
from tests.fakes.exchanges import harmful
from tests.finetune.test_worker import AT_ONCE, Bench

TOLD = "was erased since; the next run freezes another"


class Erasing:
    """A person is erased, and the home swept, while a run is under way."""

    def __init__(self, bench: Bench, home: Path) -> None:
        self.bench, self.home = bench, home

    async def __call__(self) -> None:
        await erase(self.bench.database, "ann", "asked to", "tests")
        await sweep(self.bench.database, self.home)

    async def then_fail(self) -> None:
        """As a trainer that reads its file only now."""
        await self()
        raise TrainingFailed("m cannot be trained: FileNotFoundError: [Errno 2] No such file or directory")


@pytest.fixture
async def bench(database: Database, tmp_path: Path) -> Bench:
    bench = await Bench(database, tmp_path).fill()
    await Intake(database).take([harmful(907, subject="ann")])
    return bench


async def test_during_training_it_ends_the_run_before_any_exam(bench: Bench, tmp_path: Path) -> None:
    bench.trainer.meanwhile = Erasing(bench, tmp_path)
    outcome = await bench.work()
    assert not outcome.promoted
    assert TOLD in outcome.reasons[0]
    assert bench.calls.made[-1] == "train"
    assert list((tmp_path / "datasets").iterdir()) == []


async def test_a_training_that_finds_its_file_gone_says_why(bench: Bench, tmp_path: Path) -> None:
    bench.trainer.meanwhile = Erasing(bench, tmp_path).then_fail
    with pytest.raises(TrainingFailed, match=TOLD):
        await bench.work()


async def test_during_an_exam_the_gate_tells_it(bench: Bench, tmp_path: Path) -> None:
    bench.tools = replace(bench.tools, registrar=LedgerRegistrar(bench.database))
    bench.examiner.meanwhile = Erasing(bench, tmp_path)
    outcome = await bench.work()
    assert not outcome.promoted
    assert any(
        each.startswith("data not erased (data.erased): something that dataset") for each in outcome.reasons
    )
    assert "register" not in bench.calls.made


async def killed_at(bench: Bench, step: str, tmp_path: Path, *, done: bool) -> Outcome:
    """A worker is killed in a step, before what it does or, `done`, after it; somebody is erased; another goes on."""
    bench.stop_at(step, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await bench.work()
    if done and step == "flip":
        bench.registry.weights = {next(iter(bench.registry.known)): 1.0}
    if done and step == "open":
        bench.rollouts.begun |= {run for (run,) in await bench.all(RetrainingRow, RetrainingRow.id)}
    await Erasing(bench, tmp_path)()
    return await bench.work(how="resume")


@pytest.mark.parametrize(("step", "done"), [("drain", False), ("flip", True)])
async def test_what_traffic_has_already_ends_as_it_is(
    bench: Bench, step: str, done: bool, tmp_path: Path
) -> None:
    outcome = await killed_at(bench, step, tmp_path, done=done)
    assert outcome.promoted
    assert bench.registry.weights == {outcome.version: 1.0}


async def test_a_rollout_that_was_begun_already_goes_on(bench: Bench, tmp_path: Path) -> None:
    bench.plan = replace(bench.plan, rollout=RolloutRules())
    outcome = await killed_at(bench, "open", tmp_path, done=True)
    assert outcome.rollout


@pytest.mark.parametrize(("step", "rules"), [("flip", AT_ONCE), ("open", RolloutRules())])
async def test_what_was_loaded_only_is_loaded_no_more(
    bench: Bench, step: str, rules: RolloutRules, tmp_path: Path
) -> None:
    bench.plan = replace(bench.plan, rollout=rules)
    outcome = await killed_at(bench, step, tmp_path, done=False)
    assert not outcome.promoted
    assert TOLD in outcome.reasons[0]
    assert bench.registry.loaded == set()
    assert bench.registry.weights == {"base": 1.0}


async def test_the_next_run_learns_the_others(bench: Bench, tmp_path: Path) -> None:
    bench.trainer.meanwhile = Erasing(bench, tmp_path)
    await bench.work()
    bench.trainer.meanwhile = None
    assert (await bench.work()).trained_on == 24


async def test_a_version_tells_how_many_rows_were_too_long_to_learn(bench: Bench) -> None:
    bench.trainer.left_out = 3
    outcome = await bench.work()
    assert bench.registry.known[outcome.version or ""]["left_out"] == 3
