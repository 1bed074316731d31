"""The real tools of a retraining, opened together and closed together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from finetune.errors import FinetuneFailed
from finetune.exams.contract import Policy
from finetune.exams.exam import ExamRoom
from finetune.exams.judge import RefusalJudge
from finetune.pairs.sources import PairSource
from finetune.progress import Progress
from finetune.retrain import Tools
from finetune.settings import Situation
from gateway.ledger.database import Database
from rewardserve.client import RewardClient


@asynccontextmanager
async def opened(situation: Situation, database: Database, progress: Progress) -> AsyncIterator[Tools]:
    """Everything a retraining touches; raises FinetuneFailed when something is not configured."""
    from gateway.admin.client import AdminClient  # noqa: PLC0415

    from finetune.rollout.registry import GatewayRegistry  # noqa: PLC0415
    from finetune.train.dpo import DpoTrainer  # noqa: PLC0415 - torch takes seconds; only training needs it

    if situation.admin_key is None:
        raise FinetuneFailed(
            "there is no admin key: start `trimtab up` with the same home, or set TRIMTAB_FINETUNE_ADMIN_KEY"
        )
    async with (
        AdminClient(situation.admin_url, situation.admin_key) as admin,
        exam_room(situation, progress) as examiner,
    ):
        if examiner.rewards is None:
            raise FinetuneFailed("there is no reward server: set reward.url, or TRIMTAB_FINETUNE_REWARD_URL")
        yield Tools(
            pairs=PairSource(database, situation.settings.window),
            trainer=DpoTrainer(situation.base, situation.home / "adapters", progress),
            examiner=examiner,
            registry=GatewayRegistry(admin),
        )


@asynccontextmanager
async def exam_room(situation: Situation, progress: Progress) -> AsyncIterator[ExamRoom]:
    """Where exams are held; without a reward server, without rewards."""

    def load(adapter: Path | None) -> Policy:
        from finetune.train.policy import load_policy  # noqa: PLC0415 - as above

        return load_policy(situation.base, adapter)

    folder, judge = situation.home / "exams", RefusalJudge()
    if situation.reward_url is None:
        yield ExamRoom(load, None, folder, progress, judge)
        return
    async with RewardClient(situation.reward_url, situation.settings.reward_timeout_seconds) as rewards:
        yield ExamRoom(load, rewards, folder, progress, judge)
