"""The journey of a retraining, to be read from top to bottom.

Each step's result is kept in the ledger when it is done. A worker that is killed loses the step it was in and
no other: the next one finds the results of those before it and goes on.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from finetune.code_version import code_version
from finetune.devices import Devices, Own
from finetune.errors import FlipUndone, RolloutFailed, TrainingFailed
from finetune.exams.contract import Examined, Examiner
from finetune.exams.lineage import Registrar
from finetune.pairs.dataset import Dataset
from finetune.pairs.draw import Drawing, Drawn
from finetune.pairs.sources import Gathered, PairSource
from finetune.plan import Plan
from finetune.rollout.contract import Drained, Flipped, Live, Opened, Registered, Registry, Rollouts, Staged
from finetune.rollout.gate import Decision
from finetune.rollout.judging import Case, judge
from finetune.runs import Run
from finetune.train.contract import RATED, Trained, Trainer
from gateway.ledger.contract import LedgerFailed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tools:
    """Everything outside this process that a retraining touches, and the trainer."""

    pairs: PairSource
    drawer: Drawing
    trainer: Trainer
    examiner: Examiner
    registry: Registry
    rollouts: Rollouts
    devices: Devices = Own()  # noqa: RUF009 - it holds nothing
    trainable: Callable[[], None] = lambda: (
        None
    )  # raises Unready where there is nothing that could be trained
    registrar: Registrar | None = None  # who knows whether a dataset may still be used
    rankers: tuple[str, ...] = ()  # addresses of the reward servers that rank candidates, in traffic and here

    async def reached(self, version: str) -> bool:
        """Whether something that a version learnt from was erased since."""
        return self.registrar is not None and await self.registrar.reached(version)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a retraining ended; the reasons are every condition that failed, or why it was promoted."""

    run: str
    promoted: bool
    reasons: tuple[str, ...]
    version: str | None = None
    trained_on: int = 0  # pairs
    rollout: str | None = None  # that the version is on its way by


async def retrain(run: Run, plan: Plan, tools: Tools) -> Outcome:
    """Flagged and ranked exchanges → pairs → DPO → exams → gate → a version → all of the traffic, or a rollout."""
    old = await run.once("live", Live, lambda: tools.registry.live(plan.alias))

    drawn = await run.once("draw", Drawn, lambda: draw(old, plan, tools))
    await run.once("pairs", Gathered, lambda: tools.pairs.gather(plan.make, drawn.groups()))
    dataset = await run.once("dataset", Dataset, lambda: freeze(plan, tools))
    if not await run.has_done("train") and (why_not := await untrainable(dataset, old, plan, tools)):
        return Outcome(run.id, promoted=False, reasons=(why_not,))

    trained = await run.once("train", Trained, lambda: train(run, dataset, old, plan, tools))
    if why_not := await unusable(run, dataset, version_of(trained), old, plan, tools):
        return Outcome(run.id, promoted=False, reasons=(why_not,), trained_on=dataset.pairs)
    before = await run.once("exam before", Examined, lambda: tools.examiner.examine(old.adapter, plan.exam))
    after = await run.once("exam after", Examined, lambda: tools.examiner.examine(trained.adapter, plan.exam))

    decision = await run.once(
        "gate", Decision, lambda: judge(Case(before, after, trained, dataset), plan, tools)
    )
    if not decision.promoted:
        return Outcome(run.id, promoted=False, reasons=decision.failed, trained_on=dataset.pairs)

    name, lineage = version_of(trained), lineage_of(run, old, dataset, trained, decision)
    await run.once("register", Registered, lambda: tools.registry.register(name, trained.adapter, lineage))
    await run.once("stage", Staged, lambda: tools.registry.stage(name))
    if plan.rollout.how == "steps":
        return await rolled_out(run, name, old, plan, tools, dataset.pairs)
    try:
        told = {**lineage, "worker": run.worker.name}
        await run.once("flip", Flipped, lambda: tools.registry.flip(plan.alias, name, old, told))
    except FlipUndone as undone:  # passed, and did not stay: to try it again would be to overrule somebody
        await withdrawn(run, name, str(undone), tools)
        return Outcome(run.id, promoted=False, reasons=(str(undone),), trained_on=dataset.pairs)
    await run.once("drain", Drained, lambda: drain(old, name, tools))
    return Outcome(run.id, promoted=True, reasons=(decision.told,), version=name, trained_on=dataset.pairs)


async def rolled_out(run: Run, name: str, old: Live, plan: Plan, tools: Tools, pairs: int) -> Outcome:
    """Let traffic decide: shadow, canary, all of it or none (finetune/rollout/controller.py).

    Where a try before this one failed here, a drain for another alias may have unloaded the version since.
    """

    async def opened() -> Opened:
        await tools.registry.ensure_staged(name)
        return await tools.rollouts.open(plan.alias, name, old, plan.rollout, run.id)

    try:
        begun = await run.once("roll out", Opened, opened)
    except RolloutFailed as refused:
        await withdrawn(run, name, str(refused), tools)
        raise
    return Outcome(
        run.id, promoted=False, reasons=(begun.told,), version=name, trained_on=pairs, rollout=begun.rollout
    )


async def withdrawn(run: Run, name: str, why: str, tools: Tools) -> None:
    """Unload a version that does not stay in traffic, or never came into it; whoever tries again stages it again.

    The step is undone first: a worker killed in between must not leave it done for what is loaded no more.
    """
    await run.undo("stage", why)
    await run.undo("stage", f"{why}; {await discarded(run, name, tools)}")


async def discarded(run: Run, name: str, tools: Tools) -> str:
    """What became of it, in words; what cannot be unloaded now changes nothing of how the run ends."""
    try:
        told = (await tools.registry.discard(name, await tools.rollouts.needed(but=run.id))).told
    except (RolloutFailed, LedgerFailed) as error:
        told = f"{name} stays loaded until the next drain: {error}"
        log.warning("%s", told)
    return told


async def draw(old: Live, plan: Plan, tools: Tools) -> Drawn:
    """Ask the live policy again where traffic left nothing to compare."""
    poor = await tools.pairs.poor(plan.make, plan.draw.prompts)
    return await tools.drawer.draw(poor, plan.draw, old)


async def freeze(plan: Plan, tools: Tools) -> Dataset:
    """All pairs that may be trained on, frozen, and thumbs where the method takes them; no exam's prompt is among them.

    Pairs that are too few to train on stay new: they count towards the next retraining.
    """
    asked, thumbs = tools.examiner.by_exam(plan.exam), plan.recipe.method in RATED
    dataset = await tools.pairs.freeze(plan.filters, asked, plan.datasets, thumbs=thumbs)
    if dataset.pairs >= plan.fewest_pairs:
        await tools.pairs.spend(dataset)
    return dataset


async def unusable(run: Run, dataset: Dataset, name: str, old: Live, plan: Plan, tools: Tools) -> str | None:
    """Why what was trained is worth no exam, which takes long too; of one that is loaded already, not loaded any more.

    None also where traffic has it, or is about to: a worker may have been killed before it wrote down that it moved
    it, and how that ends is told as it is.
    """
    why_not = await untrainable(dataset, old, plan, tools)
    if why_not is None or not await run.has_done("stage"):
        return why_not
    if name in (await tools.registry.live(plan.alias)).weights or await tools.rollouts.begun_by(run.id):
        return None
    await withdrawn(run, name, why_not, tools)
    return why_not


async def untrainable(dataset: Dataset, old: Live, plan: Plan, tools: Tools) -> str | None:
    """Why nothing may be trained; None where it may."""
    if not await tools.pairs.fit(dataset):
        return erased_since(dataset)
    if dataset.pairs < plan.fewest_pairs:
        return too_few(dataset, plan)
    if plan.recipe.anchor == "last" and await tools.reached(old.version):
        return starts_from_erased(old)
    return None


async def train(run: Run, dataset: Dataset, old: Live, plan: Plan, tools: Tools) -> Trained:
    """Learn it, on devices of one's own or on those that engines give up meanwhile; raises TrainingFailed."""
    try:
        async with tools.devices.free(run.id, run.worker.name):
            return await tools.trainer.train(dataset, plan.recipe, old.adapter)
    except TrainingFailed as error:
        if await tools.pairs.fit(dataset):
            raise
        # While it waited for devices a sweep may have removed the file: what could not be read says too little.
        raise TrainingFailed(erased_since(dataset)) from error


async def drain(old: Live, name: str, tools: Tools) -> Drained:
    """Retire what nothing leads to any more, here or for another alias."""
    return await tools.registry.drain(old, name, await tools.rollouts.needed())


def erased_since(dataset: Dataset) -> str:
    """Why a dataset that was frozen before is not trained on, or what learnt it is not examined."""
    return (
        f"something that dataset {dataset.sha256[:12]} holds was erased since; the next run freezes another"
    )


def starts_from_erased(old: Live) -> str:
    """Why nothing is trained from a version that an erasure has reached."""
    told = f"{old.version} learnt something that was erased since, and anchor last would start from it"
    return f"{told}: retrain once with recipe.anchor base"


def too_few(dataset: Dataset, plan: Plan) -> str:
    """How many pairs are missing, and where the others went."""
    lost = ", ".join(f"{count} {reason}" for reason, count in dataset.dropped.items() if count)
    need = f"{dataset.pairs} pairs are fit for training, {plan.fewest_pairs} are needed"
    more = f"{plan.fewest_pairs - dataset.pairs} more from traffic with n of 2 or more"
    return f"not enough pairs: {need}: {more}" + (f" (filters took: {lost})" if lost else "")


def version_of(trained: Trained) -> str:
    """A name that is never used twice for different weights."""
    return f"policy-{trained.digest[:12]}"


def lineage_of(
    run: Run, old: Live, dataset: Dataset, trained: Trained, decision: Decision
) -> Mapping[str, Any]:
    """Where a version comes from and why it may go live: the evidence of every transition that follows."""
    return {
        "retraining": run.id,
        "parent": old.version,
        "dataset": dataset.sha256,
        "pairs": dataset.pairs,
        "ratings": dataset.ratings,
        "left_out": trained.left_out,
        "adapter": trained.digest,
        "anchor": run.parameters.get("recipe", {}).get("anchor", "base"),  # `last` is the parent
        "recipe": run.parameters.get("recipe", {}),
        "code": code_version(),
        **trained.rewarded_by,
        "gate": [asdict(condition) for condition in decision.conditions],
    }
