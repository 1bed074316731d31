"""What `trimtab finetune train` does: one recipe on one dataset, to one version's directory and its evidence."""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console

from finetune.code_version import code_version
from finetune.display import Screen
from finetune.errors import FinetuneFailed, RolloutFailed, Unready
from finetune.exams.registered import LedgerRegistrar
from finetune.ledger import ledger
from finetune.metrics import metered
from finetune.pairs.dataset import write_whole
from finetune.printing import print_json
from finetune.progress import Silence
from finetune.recipes.data import Found, found
from finetune.retrain import version_of
from finetune.rollout.contract import Live
from finetune.rollout.registry import GatewayRegistry
from finetune.settings import Situation
from finetune.train.contract import ONLINE, Recipe, Trained
from finetune.wiring import executor_for, refuse_no_model, source_of, trainer_of
from gateway.admin.client import AdminClient
from gateway.artifacts.opening import store_of
from gateway.engines.providers import shown
from gateway.ledger.contract import LedgerFailed, LedgerUnavailable

STORY = (
    "method",
    "steps",
    "seconds",
    "device",
    "health",
    "left_out",
    "log",
)  # of a training, what the version's story tells


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for beside the recipe."""

    data: str
    last: Path | None = (
        None  # the directory that `anchor: last` starts from; else the gateway says which is live
    )
    register: bool = False
    dry_run: bool = False


async def train(situation: Situation, wanted: Wanted, *, as_json: bool) -> None:
    """Check everything, then train, keep, and register where asked to; raises FinetuneFailed."""
    recipe = situation.settings.recipe
    data, live = await checked(situation, wanted, recipe)
    told = plan_of(situation, recipe, data, live)
    if wanted.dry_run:
        print_plan(told, as_json=as_json)
        return
    trained = await learnt(situation, data, live, as_json=as_json)
    lineage = lineage_of(recipe, data, live, trained)
    evidence = trained.adapter.with_suffix(".json")
    told_of = TypeAdapter(Trained).dump_python(trained, mode="json")
    write_whole(evidence, json.dumps({"lineage": lineage, "training": told_of}, indent=2).encode())
    told = {**lineage, "training": {name: told_of[name] for name in STORY}}
    version = await registered(situation, trained, told) if wanted.register else None
    if as_json:
        print_json({"path": trained.adapter, "version": version, "lineage": lineage, "training": told_of})
    else:
        print_trained(trained, evidence, version)


async def checked(situation: Situation, wanted: Wanted, recipe: Recipe) -> tuple[Found, Live | None]:
    """What it learns, and the version to start from; raises Unready where something must change first.

    A gateway or a ledger that is away raises what it always does: the same command may do once it is back.
    """
    try:
        data = await found(situation, wanted.data, recipe.method)
        live = await live_of(situation, wanted, recipe)
        refuse_unready(situation, recipe)
    except (Unready, RolloutFailed, LedgerUnavailable):
        raise
    except (FinetuneFailed, LedgerFailed) as error:
        raise Unready(str(error)) from error
    return data, live


async def learnt(situation: Situation, data: Found, live: Live | None, *, as_json: bool) -> Trained:
    """The training itself, with progress on the screen."""
    console, rules = Console(stderr=as_json), situation.settings.metrics
    with (
        nullcontext(Silence()) if as_json else Screen(console) as screen,
        metered(rules, situation.gateway.alias, screen) as progress,
    ):
        trainer = trainer_of(situation, progress)
        progress.began("train")
        last = live.adapter if live else None
        trained = await trainer.train(data.kept(), situation.settings.recipe, last)
        progress.ended("train", trained.told)
    return trained


async def live_of(situation: Situation, wanted: Wanted, recipe: Recipe) -> Live | None:
    """The version to start from, for `anchor: last`, or to be the parent of what is registered."""
    starts = recipe.anchor == "last"
    if not starts and wanted.last is not None:
        raise Unready("--last: with anchor base nothing starts from it; set anchor last, or leave it out")
    if starts and wanted.last is not None and not wanted.last.is_dir():
        raise Unready(f"--last: there is no directory {wanted.last}")
    if starts and wanted.last is not None and not wanted.register:
        return Live(wanted.last.name, wanted.last.absolute(), {})
    if not starts and not wanted.register:
        return None
    if situation.admin_key is None:
        why = "to register a version" if wanted.register else "to say which version is live (or give --last)"
        raise FinetuneFailed(
            f"a gateway is needed {why}, and there is no admin key: set TRIMTAB_FINETUNE_ADMIN_KEY"
        )
    async with AdminClient(situation.admin_url, situation.admin_key) as admin:
        registry = GatewayRegistry(admin, store_of(situation.gateway))
        if starts and wanted.last is not None:
            live = await registry.at(wanted.last.absolute())
        else:
            live = await registry.live(situation.gateway.alias)
    if starts:
        await refuse_reached(situation, live)
    return live


async def refuse_reached(situation: Situation, live: Live) -> None:
    """Raise FinetuneFailed where an erasure has reached the version: what was erased would live on in its child."""
    async with ledger(situation, new=True) as database:
        if await LedgerRegistrar(database).reached(live.version):
            told = f"an erasure has reached {live.version}, and nothing is trained on from it"
            raise FinetuneFailed(f"{told}: set anchor base, or give another --last")


def refuse_unready(situation: Situation, recipe: Recipe) -> None:
    """Raise FinetuneFailed where the method lacks something, or the executor cannot; warn of what is not heeded."""
    if recipe.method in ONLINE and situation.reward_url is None:
        raise FinetuneFailed(f"method {recipe.method} needs a reward server: set finetune.reward_url")
    executor_for(situation)
    refuse_no_model(situation.base)
    if situation.settings.share_gpu.engines:
        told = "finetune.share_gpu is for retrainings: no engine sleeps while trimtab finetune train trains"
        Console(stderr=True).print(f"[yellow]![/] {told}", highlight=False, soft_wrap=True)


def plan_of(situation: Situation, recipe: Recipe, data: Found, live: Live | None) -> dict[str, Any]:
    """What is about to happen."""
    starts = live.version if live is not None and recipe.anchor == "last" else "the bare base model"
    return {
        "method": recipe.method,
        "weights": recipe.weights,
        "base": situation.base,
        "base_is": source_of(situation.base),
        "starts_from": starts,
        "data": data.source,
        "dataset": data.dataset.sha256,
        "rows": data.dataset.rows,
        **({"rewarded_by": shown(situation.reward_url or "")} if recipe.method in ONLINE else {}),
        "into": str(situation.home / "adapters"),
        "recipe": asdict(recipe),
    }


def lineage_of(recipe: Recipe, data: Found, live: Live | None, trained: Trained) -> dict[str, Any]:
    """Where the version comes from, as a retraining tells it."""
    return {
        "parent": live.version if live else None,
        "anchor": recipe.anchor,
        "dataset": data.dataset.sha256,
        "pairs": data.dataset.pairs,
        "ratings": data.dataset.ratings,
        "adapter": trained.digest,
        "recipe": asdict(recipe),
        "code": code_version(),
        "trained_by": "trimtab finetune train; no gate has judged it",
        **trained.rewarded_by,
    }


async def registered(situation: Situation, trained: Trained, lineage: Mapping[str, Any]) -> str:
    """Make it a version that the gateway knows; one that engines would refuse is none."""
    if trained.unservable:
        raise FinetuneFailed(f"it was not registered: {'; '.join(trained.unservable)}")
    async with AdminClient(situation.admin_url, situation.admin_key or "") as admin:
        registry = GatewayRegistry(admin, store_of(situation.gateway))
        return (await registry.register(version_of(trained), trained.adapter, lineage)).version


def print_plan(told: Mapping[str, Any], *, as_json: bool) -> None:
    """What would happen."""
    if as_json:
        print_json(told)
        return
    console = Console()
    for name, value in told.items():
        shown = ", ".join(f"{field} {each}" for field, each in value.items()) if name == "recipe" else value
        console.print(f"[bold]{name.replace('_', ' ')}[/]: {shown}", soft_wrap=True, highlight=False)


def print_trained(trained: Trained, evidence: Path, version: str | None) -> None:
    """What came of it, and what to do with it."""
    console = Console()
    for fault in trained.unservable:
        console.print(f"[red]✗[/] engines would refuse it: {fault}", highlight=False, markup=True)
    console.print(f"{trained.adapter}\n  evidence: {evidence}", highlight=False, soft_wrap=True)
    if version is not None:
        console.print(f"  registered as {version}; no gate has judged it", highlight=False)
    elif not trained.unservable:
        told = f"  examine it: trimtab finetune exam --adapter {trained.adapter}"
        console.print(told, highlight=False, soft_wrap=True)
