"""What the commands of `trimtab finetune` do, once their settings are read."""

import dataclasses
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console

from finetune.beforehand import refuse_at_once, too_small
from finetune.claims import How
from finetune.display import (
    Screen,
    print_conditions,
    print_exam,
    print_history,
    print_outcome,
    print_pairs,
    print_preview,
    print_warnings,
)
from finetune.ending import ending_told
from finetune.exams.board import conditions_of, exams_of
from finetune.exams.condition import Condition
from finetune.exams.contract import ExamPlan
from finetune.exams.findings import read_findings
from finetune.exams.marks import compare_files
from finetune.exams.report import Comparison, Report
from finetune.history import RunSeen, history
from finetune.ledger import ledger
from finetune.metrics import metered
from finetune.notify import telling
from finetune.pairs.composition import composition_of, greedy
from finetune.pairs.dataset import line_of, row_of, write_whole
from finetune.pairs.leftovers import sweep
from finetune.pairs.on_ray import cluster_at
from finetune.pairs.sources import PairSource, Preview
from finetune.printing import presentable, print_json
from finetune.progress import Progress, Silence
from finetune.retrain import Outcome
from finetune.rollout.book import Book
from finetune.rollout.judging import refused
from finetune.runs import this_worker
from finetune.settings import Situation
from finetune.train.contract import RATED
from finetune.wiring import opened, refuse_files, reward_server, room_of, source_of
from finetune.worker import work
from gateway.ledger.database import Database

log = logging.getLogger(__name__)


def explain_rules(situation: Situation) -> None:
    """Every rule and bar in force, and where the base model is looked for."""
    rules = presentable(situation.plan.document())  # an exam's judge may be asked with a password
    print_json({**rules, "base": situation.base, "base_is": source_of(situation.base)})


async def retrain_once(situation: Situation, how: How, *, as_json: bool) -> Outcome:
    """One retraining, with progress on the screen or one JSON object at the end."""
    console = Console(stderr=as_json)
    async with telling(situation.settings.webhooks) as notifier, ledger(situation) as database:
        await sweep(database, situation.home)
        rules, alias = situation.settings.metrics, situation.gateway.alias
        with (
            nullcontext(Silence()) if as_json else Screen(console) as screen,
            metered(rules, alias, screen) as progress,
        ):
            work = retrain_with(situation, database, progress, how)
            outcome = await ending_told(work, alias, notifier)
        seen = next(each for each in await history(database, 10) if each.id == outcome.run)
        if as_json:
            steps = {step.step: step.evidence for step in seen.steps}
            print_json(dataclasses.asdict(outcome) | {"steps": steps})
        else:
            print_outcome(console, outcome, seen.codes)
            frozen = seen.evidence_of("dataset")
            print_warnings(console, greedy(frozen.get("pairs", 0), frozen.get("dropped", {})))
    return outcome


async def retrain_with(situation: Situation, database: Database, progress: Progress, how: How) -> Outcome:
    """One retraining with the real tools, which take long to open where it may not begin anyway."""
    worker = this_worker(situation.settings.lease_seconds)
    await refuse_files(situation)
    await refuse_at_once(situation, database, worker, how)
    async with opened(situation, database, progress) as tools:
        return await work(database, worker, situation.plan, tools, progress, how)


async def look(situation: Situation, database: Database) -> Preview:
    """The pairs that a retraining would learn now."""
    plan, told = situation.plan, situation.settings
    await refuse_files(situation)
    asked = room_of(situation, None, Silence()).by_exam(plan.exam)
    cluster = cluster_at(told.jobs_on_ray)
    source = PairSource(
        database, told.window, jobs=told.jobs, cluster=cluster, red_team=told.red_team, alias=plan.alias
    )
    return await source.preview(plan.make, plan.filters, asked, thumbs=plan.recipe.method in RATED)


def worth_training(found: Preview, fewest: int) -> int:
    """How many pairs are new; none, while all that are fit are too few for a training."""
    fit, new = len(found.kept.pairs), len(found.fresh)
    log.info("%d new pairs; %d are fit for training, %d are needed", new, fit, fewest)
    return new if fit >= fewest else 0


async def preview(situation: Situation, *, as_json: bool) -> None:
    """What a retraining would learn, in figures."""
    async with ledger(situation) as database:
        found = await look(situation, database)
    plan, need = situation.plan, situation.plan.fewest_pairs
    made_of = composition_of(found.kept.pairs)
    told: dict[str, Any] = {
        "exchanges": found.exchanges,
        "pairs": len(found.kept.pairs),
        "kinds": made_of.kinds,
        "declining": {"wins": made_of.declining_wins, "loses": made_of.declining_loses},
        "ratings": found.ratings,
        "new": len(found.fresh),
        "needed": need,
        "enough": len(found.kept.pairs) >= need,
        "without_a_pair": found.skipped,
        "filtered": found.kept.dropped,
    }
    warnings = (
        *filter(None, [too_small(plan.exam, plan.bars.fewest_prompts)]),
        *made_of.lopsided(plan.filters),
        *greedy(len(found.kept.pairs), found.kept.dropped),
    )
    if as_json:
        print_json(told | {"warnings": warnings})
        return
    if plan.recipe.method not in RATED:
        told["ratings"] = f"method {plan.recipe.method} learns pairs alone"
    print_preview(Console(), told, warnings)


async def show_pairs(situation: Situation, limit: int, *, as_json: bool, export: Path | None) -> None:
    """The pairs themselves."""
    async with ledger(situation) as database:
        pairs = (await look(situation, database)).kept.pairs
    if export is not None:
        write_whole(export, "".join(map(line_of, pairs)).encode())
    if as_json:
        print_json({"pairs": len(pairs), "shown": [row_of(pair) for pair in pairs[:limit]]})
    elif export is not None:
        Console().print(
            f"{len(pairs)} pairs written to {export}", highlight=False, markup=False, soft_wrap=True
        )
    elif not pairs:
        Console().print("There are no pairs yet; `trimtab finetune run --dry-run` says why.", highlight=False)
    else:
        print_pairs(Console(), pairs[:limit], f"{min(limit, len(pairs))} of {len(pairs)} pairs")


async def show_status(situation: Situation, limit: int, *, as_json: bool) -> None:
    """The latest runs."""
    async with ledger(situation) as database:
        runs = await history(database, limit)
        moving = await Book(database, this_worker(1.0)).running()
    if as_json:
        told = [
            {"id": each.id, "version": each.version, "state": each.state, "share": each.share}
            for each in moving
        ]
        print_json({"runs": TypeAdapter(list[RunSeen]).dump_python(runs, mode="json"), "rollouts": told})
        return
    console = Console()
    print_history(console, runs)
    for each in moving:
        state = f"{each.state} at {each.share:.0%}"
        console.print(f"rollout {each.id}: {each.version} into {each.alias}, {state}", highlight=False)


async def hold_exam(
    situation: Situation, adapter: Path | None, changes: Mapping[str, Any], *, as_json: bool
) -> None:
    """An exam of the bare policy, or of two."""
    plan = dataclasses.replace(situation.plan.exam, **changes)
    console = Console(stderr=as_json)
    with nullcontext(Silence()) if as_json else Screen(console) as progress:
        found, conditions = await examined(situation, adapter, plan, progress)
    if as_json:
        print_json(TypeAdapter(type(found)).dump_python(found, mode="json"))
    else:
        print_exam(console, found)
        print_conditions(console, conditions)


async def examined(
    situation: Situation, adapter: Path | None, plan: ExamPlan, progress: Progress
) -> tuple[Report | Comparison, tuple[Condition, ...]]:
    """The report of the base model, or its comparison with an adapter and what further exams ask of it."""
    async with reward_server(situation) as rewards:
        room = room_of(situation, rewards, progress)
        progress.began("exam of the base model")
        before = await room.examine(None, plan)
        progress.ended("exam of the base model", before.told)
        if adapter is None:
            return before.report, ()
        progress.began("exam of the adapter")
        after = await room.examine(adapter, plan)
        progress.ended("exam of the adapter", after.told)
        found = read_findings(before.findings), read_findings(after.findings)
        asked = refused(found[1]) or conditions_of(exams_of(plan), *found)
        return compare_files(before.answers, after.answers), asked
