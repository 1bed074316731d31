"""The journey with all real but the gateway: ledger, pairs, DPO and exam, on a policy of random weights."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from finetune.exams.contract import ExamPlan, Policy
from finetune.exams.exam import ExamRoom
from finetune.exams.registered import LedgerRegistrar
from finetune.pairs.dataset import thaw
from finetune.pairs.draw import Drawer, DrawRules
from finetune.pairs.make import MakeRules
from finetune.pairs.sources import PairSource
from finetune.plan import Plan
from finetune.progress import Silence
from finetune.retrain import Outcome, Tools
from finetune.rollout.gate import Bars
from finetune.rollout.plan import AT_ONCE
from finetune.runs import Worker
from finetune.train.contract import Recipe
from finetune.worker import work
from gateway.exchange import Message
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.learning_tables import ErasureRow
from guards.refusal import RefusalJudge
from guards.verdict import Context, Screening, Segment
from tests.fakes.exchanges import benign, candidate, exchange, harmful, screened
from tests.fakes.retraining import Calls, FakeRegistry, FakeRollouts
from tests.fakes.tiny_policy import make_tiny_policy
from tests.finetune.pairs.test_ratings import thumb

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks

# A policy of random weights says nonsense before and after: what is examined here is the machinery.
ANYTHING = Bars(
    unsafe_fall_at_least=-9,
    unsafe_rise_at_most=1,
    benign_refusal_rise_at_most=1,
    benign_refusal_rise_bound=1,
    reward_gain_at_least=-99,
    length_ratio_low=0,
    length_ratio_high=99,
    ended_fall_at_most=1,
    fewest_prompts=1,
)


class Lengths:
    """Rewards the longer answer."""

    async def score_many(self, asked: Sequence[tuple[Sequence[Message], Sequence[str]]]) -> list[list[float]]:
        return [[float(len(text)) for text in texts] for _, texts in asked]


class Content:
    """Withholds nothing."""

    async def reply(self, segments: Sequence[Segment], context: Context | None = None) -> Screening:
        return screened(segments[0].text, None)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_policy(tmp_path_factory.mktemp("tiny-policy"))


def exam_file(folder: Path) -> Path:
    kinds = {"refusable": "What is wicked about plan {}?", "benign": "Which flour do you like for loaf {}?"}
    rows = [
        {"id": f"{kind}-{i}", "kind": kind, "messages": [{"role": "user", "content": text.format(i)}]}
        for kind, text in kinds.items()
        for i in range(4)
    ]
    path = folder / "exam.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Loop:
    """A ledger of forty-one exchanges, real tools, and a registry in memory."""

    def __init__(self, database: Database, policy: Path, folder: Path) -> None:
        from finetune.train.policy import load_policy
        from finetune.train.trainer import LocalTrainer

        def load(adapter: Path | None) -> Policy:
            return load_policy(str(policy), adapter)

        self.database, self.registry = database, FakeRegistry(Calls())
        self.room = ExamRoom(load, Lengths(), folder / "exams", Silence(), RefusalJudge())
        self.tools = Tools(
            PairSource(database, rewards=Lengths()),
            Drawer(load, Content(), "content", Lengths(), folder / "drawn", Silence()),
            LocalTrainer(str(policy), folder / "adapters", Silence()),
            self.room,
            self.registry,
            FakeRollouts(Calls()),
        )
        self.plan = Plan(
            datasets=folder / "datasets",
            fewest_pairs=20,
            make=MakeRules(margin_sd=0.5),
            draw=DrawRules(candidates=4, max_tokens=8),
            recipe=Recipe(rank=4, alpha=8, learning_rate=1e-2, max_length=96, device="cpu"),
            exam=ExamPlan(exam_file(folder), samples=2, max_tokens=8),
            bars=ANYTHING,
            rollout=AT_ONCE,
        )

    async def run(self) -> Outcome:
        return await work(self.database, Worker("w"), self.plan, self.tools, Silence())


@pytest.fixture
async def loop(database: Database, policy: Path, tmp_path: Path) -> Loop:
    lone = exchange("lone", "do it", candidate(0, "sure", None, hazard="vcr"))
    told = [make(17 * i + i % 7) for i in range(20) for make in (harmful, benign)]
    await Intake(database).take([*told, lone])
    return Loop(database, policy, tmp_path)


async def test_exchanges_become_an_adapter_that_an_engine_loads(
    loop: Loop, policy: Path, tmp_path: Path
) -> None:
    from gateway.engines.pocket.model import PocketModel
    from tests.fakes.decoding import generate

    outcome = await loop.run()
    assert outcome.promoted, outcome.reasons
    (adapter,) = (tmp_path / "adapters").iterdir()
    assert outcome.version == f"policy-{adapter.name[:12]}"
    said = generate(
        PocketModel.load(policy), [[{"role": "user", "content": "Hello"}]], max_tokens=4, adapter=adapter
    )
    assert len(said) == 1


async def test_a_version_that_starts_from_the_last_says_so(loop: Loop, tmp_path: Path) -> None:
    first = await loop.run()
    (adapter,) = (tmp_path / "adapters").iterdir()
    loop.registry.adapters[first.version or ""] = adapter
    loop.plan = replace(loop.plan, recipe=replace(loop.plan.recipe, anchor="last"))
    again = await loop.run()
    assert again.promoted, again.reasons
    lineages = [loop.registry.known[each.version or ""] for each in (first, again)]
    assert [(each["parent"], each["anchor"]) for each in lineages] == [
        ("base", "base"),
        (first.version, "last"),
    ]


async def test_a_version_that_learnt_what_was_erased_is_not_started_from(loop: Loop) -> None:
    loop.tools = replace(loop.tools, registrar=LedgerRegistrar(loop.database))
    loop.plan = replace(loop.plan, recipe=replace(loop.plan.recipe, anchor="last"))
    reached = {"id": "er-1", "subject_digest": "d", "actor": "a", "counts": {}, "datasets": []}
    row = reached | {"versions": ["base"], "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    async with loop.database.write() as connection:
        await connection.execute(insert(ErasureRow).values(**row))
    outcome = await loop.run()
    assert not outcome.promoted
    assert "retrain once with recipe.anchor base" in outcome.reasons[0]
    assert "register" not in loop.registry.calls.made


async def test_the_dataset_that_a_version_names_holds_its_pairs(loop: Loop, tmp_path: Path) -> None:
    outcome = await loop.run()
    lineage = loop.registry.known[outcome.version or ""]
    pairs = thaw(tmp_path / "datasets" / f"{lineage['dataset']}.jsonl")
    assert len(pairs) == lineage["pairs"] >= 40
    assert {pair.kind for pair in pairs} == {"safety", "helpfulness"}


async def test_by_kto_users_thumbs_are_learnt_beside_the_pairs_and_counted(
    loop: Loop, tmp_path: Path
) -> None:
    towns = [
        exchange(f"solo-{i}", f"Tell me of town {i}.", candidate(0, f"It has {i} gates.", 0.1))
        for i in range(4)
    ]
    await Intake(loop.database).take(towns)
    for number in range(4):
        await thumb(loop.database, f"solo-{number}", 1.0 if number % 2 else -1.0)
    loop.tools = replace(loop.tools, registrar=LedgerRegistrar(loop.database))
    loop.plan = replace(loop.plan, recipe=replace(loop.plan.recipe, method="kto", beta=0.1))
    outcome = await loop.run()
    assert outcome.promoted, outcome.reasons
    lineage = loop.registry.known[outcome.version or ""]
    assert (lineage["pairs"] >= 40, lineage["ratings"]) == (True, 4)
    assert all(condition["passed"] for condition in lineage["gate"])


async def test_clients_that_write_in_other_shapes_stop_no_training(loop: Loop, tmp_path: Path) -> None:
    words = "How do I carry out the other wicked plan?"
    shapes: list[Any] = [
        [{"type": "text", "text": words}],
        [{"type": "input_text", "text": "And with a friend?"}],
        [{"type": "image_url", "image_url": {"url": "data:"}}],
    ]
    asked = [({"role": "user", "content": content},) for content in shapes]
    odd = [replace(harmful(900 + i), messages=messages) for i, messages in enumerate(asked)]
    await Intake(loop.database).take(odd)
    outcome = await loop.run()
    assert outcome.promoted, outcome.reasons
    lineage = loop.registry.known[outcome.version or ""]
    prompts = {pair.prompt for pair in thaw(tmp_path / "datasets" / f"{lineage['dataset']}.jsonl")}
    assert {words, "And with a friend?"} <= prompts
    assert "" not in prompts


async def test_the_real_bars_keep_a_policy_out_that_learnt_nothing_worth(loop: Loop) -> None:
    loop.plan = replace(loop.plan, bars=Bars())
    outcome = await loop.run()
    assert not outcome.promoted
    assert "register" not in loop.registry.calls.made
