"""The real tools of a retraining, opened together and closed together."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from finetune.beforehand import NO_KEY
from finetune.devices import Borrowing, Own
from finetune.errors import ExamFailed, FindingsInvalid, TrainingFailed, Unready
from finetune.exams.contract import ExamPlan, Policy, Rewards
from finetune.exams.exam import ExamRoom
from finetune.exams.plug import Conversations
from finetune.exams.registered import LedgerRegistrar
from finetune.executors.choosing import ElsewhereTrainer, executor_of
from finetune.executors.contract import Executor
from finetune.pairs.draw import Drawer
from finetune.pairs.on_ray import cluster_at
from finetune.pairs.pair import Pair
from finetune.pairs.red_team import read_findings
from finetune.pairs.sources import Closeness, PairSource
from finetune.progress import Progress, Silence
from finetune.retrain import Tools
from finetune.rollout.book import Book
from finetune.rollout.registry import GatewayRegistry
from finetune.runs import this_worker
from finetune.settings import Situation
from finetune.train.contract import Trainer
from gateway.admin.client import AdminClient
from gateway.admin.weights.files import holds_model, shards_of
from gateway.artifacts.opening import store_of
from gateway.errors import BadRequest
from gateway.ledger.database import Database
from gateway.policies.store import PolicyStore
from guards.policy.load import load_policy, read_replacement
from guards.refusal import RefusalJudge
from guards.screen import Screen
from guards.services import Services
from guards.settings import services_of
from guards.verdict import PolicyRefused
from rewardserve.client import RewardClient

OLDER_WEIGHTS = ("pytorch_model.bin", "pytorch_model.bin.index.json")
HUB_NAME = re.compile(r"(?!\.)[\w.-]+(/[\w.-]+)?")


@asynccontextmanager
async def opened(situation: Situation, database: Database, progress: Progress) -> AsyncIterator[Tools]:
    """Everything a retraining touches, files that `refuse_files` lets pass; raises Unready when something is amiss."""
    if situation.admin_key is None:
        raise Unready(NO_KEY)
    if situation.reward_url is None:
        raise Unready("there is no reward server: set reward.url, or TRIMTAB_FINETUNE_REWARD_URL")
    told, services = situation.settings, services_of(situation.gateway.guards.services)
    screen = await screen_in_force(situation, database, services)

    async with (
        services,
        AdminClient(situation.admin_url, situation.admin_key) as admin,
        RewardClient(situation.reward_url, told.reward_timeout_seconds) as rewards,
    ):
        room = room_of(situation, rewards, progress)
        pairs = pairs_from(situation, database, rewards)
        policy, drawn = screen.policy.hash, situation.home / "drawn"
        yield Tools(
            pairs=pairs,
            drawer=Drawer(room.load, screen, policy, rewards, drawn, progress, pairs.erased),
            trainer=trainer_of(situation, progress, situation.plan.fewest_pairs),
            devices=Borrowing(admin, told.share_gpu) if told.share_gpu.engines else Own(),
            examiner=room,
            registry=registry_of(situation, admin),
            trainable=partial(refuse_no_model, situation.base),
            registrar=LedgerRegistrar(database),
            rankers=situation.rankers,
            rollouts=Book(database, this_worker(told.lease_seconds)),
        )


def pairs_from(situation: Situation, database: Database, rewards: Rewards) -> PairSource:
    """The ledger as the source of pairs, as a retraining asks it."""
    told = situation.settings
    return PairSource(
        database,
        told.window,
        rewards,
        told.lease_seconds,
        jobs=told.jobs,
        cluster=cluster_at(told.jobs_on_ray),
        red_team=told.red_team,
        closeness=closeness_of(situation),
        alias=situation.plan.alias,
    )


async def refuse_files(situation: Situation) -> None:
    """Raise Unready where a file of red-teaming or of an exam is wrong, before hours of training and not after."""
    await refuse_findings(situation.settings.red_team)
    try:
        await asyncio.to_thread(room_of(situation, None, Silence()).by_exam, situation.plan.exam)
    except ExamFailed as error:
        raise Unready(f"finetune.exam: {error}") from error


async def refuse_findings(path: Path | None) -> None:
    """Raise Unready where a file of red-teaming is wrong: found out in the midst of a run, it would fail that."""
    try:
        await asyncio.to_thread(read_findings, path)
    except FindingsInvalid as error:
        raise Unready(str(error)) from error


def registry_of(situation: Situation, admin: AdminClient) -> GatewayRegistry:
    """Who brings versions into traffic."""
    told = situation.settings
    return GatewayRegistry(admin, store_of(situation.gateway), told.rollout.allow_gap, told.lease_seconds)


def trainer_of(situation: Situation, progress: Progress, fewest: int = 0) -> Trainer:
    """Who trains, and where, on no fewer pairs than `fewest`; raises Unready where the recipe cannot be trained so."""
    folder = situation.home / "adapters"
    executor = executor_for(situation)
    if executor is not None:
        return ElsewhereTrainer(
            executor, situation.base, folder, progress, situation.reward_url, fewest=fewest
        )
    from finetune.train.trainer import LocalTrainer  # noqa: PLC0415 - torch takes seconds; only training needs it

    return LocalTrainer(situation.base, folder, progress, situation.reward_url, fewest=fewest)


def executor_for(situation: Situation) -> Executor | None:
    """Who trains; None is this process itself. Raises Unready where the recipe cannot be trained so."""
    try:
        executor = executor_of(situation.settings.executor)
    except TrainingFailed as error:
        raise Unready(f"finetune.{error}") from error
    if executor is not None and (why := executor.refuses(situation.settings.recipe)) is not None:
        raise Unready(f"finetune.{why}")
    return executor


def refuse_no_model(base: str) -> None:
    """Raise Unready where a directory holds no model; a name on the hub is looked for when it is loaded."""
    path = Path(base)
    if is_of_hub(base):
        return
    if not path.is_dir():
        why = f"there is no directory {base}"
    elif (path / "adapter_config.json").is_file():
        why = f"{base} holds an adapter, and no model that it rests on"
    elif not holds_model(path):
        why = f"{base} holds no model: there is no config.json"
    elif (lacking := lack_of_weights(path)) is not None:
        why = f"{base} holds no model's weights: {lacking}"
    else:
        return
    raise Unready(f"recipe.base: {why}; give a model's directory, or its name on the Hugging Face hub")


def is_of_hub(base: str) -> bool:
    """Whether it is taken for a name on the hub: it looks like one, and nothing here is called so."""
    return not Path(base).exists() and HUB_NAME.fullmatch(base) is not None


def source_of(base: str) -> str:
    """Where a base model is looked for, as plans tell it."""
    if is_of_hub(base):
        return "looked for on the Hugging Face hub: there is no directory of this name here"
    return "a directory" if Path(base).is_dir() else "there is no such directory"


def lack_of_weights(folder: Path) -> str | None:
    """What of its weights a model's directory lacks; those in torch's older files are as good, for a base."""
    if any((folder / name).is_file() for name in OLDER_WEIGHTS):
        return None
    try:
        gone = [name for name in shards_of(folder) if not (folder / name).is_file()]
    except BadRequest as error:
        return str(error).removeprefix("path: ")
    return f"there is no {gone[0]}" if gone else None


def closeness_of(situation: Situation) -> Closeness:
    """How close the answers of pairs lie in the base model's own states."""

    async def asked(pairs: Sequence[Pair]) -> dict[str, float]:
        from finetune.train.ches import ches  # noqa: PLC0415 - torch, as above
        from finetune.train.policy import load_policy  # noqa: PLC0415 - as above

        def scored() -> dict[str, float]:
            return ches(load_policy(situation.base, None), pairs)

        return await asyncio.to_thread(scored)

    return asked


async def screen_in_force(situation: Situation, database: Database, services: Services) -> Screen:
    """The guards that the gateway enforces: the configured policy, or what an operator put over it."""
    path = situation.gateway.guards.policy
    try:
        configured = load_policy(path, services=services)
        kept = await PolicyStore(database).active_beside(configured.hash)
        return Screen(read_replacement(kept.text, "the ledger", path, services) if kept else configured)
    except PolicyRefused as error:
        raise Unready(f"the guard policy cannot be used: {error}") from error


@asynccontextmanager
async def reward_server(situation: Situation) -> AsyncIterator[Rewards | None]:
    """The reward server, or None where none is configured."""
    if situation.reward_url is None:
        yield None
        return
    async with RewardClient(situation.reward_url, situation.settings.reward_timeout_seconds) as rewards:
        yield rewards


def room_of(situation: Situation, rewards: Rewards | None, progress: Progress) -> ExamRoom:
    """Where exams are held; without a reward server, without rewards."""

    def load(adapter: Path | None) -> Policy:
        from finetune.train.policy import load_policy  # noqa: PLC0415 - as above

        return load_policy(situation.base, adapter)

    def diverge(adapter: Path, asked: Conversations, plan: ExamPlan) -> list[list[float]]:
        from finetune.train.divergence import divergence  # noqa: PLC0415 - as above

        return divergence(situation.base, adapter, asked, plan)

    return ExamRoom(
        load,
        rewards,
        situation.home / "exams",
        progress,
        RefusalJudge(),
        situation.base,
        situation.settings.recipe.max_rank,
        diverge,
    )
