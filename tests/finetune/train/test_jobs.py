"""A job on a Ray cluster whose dashboard is not always there."""

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from finetune.errors import TrainingFailed
from finetune.executors.jobs import Jobs
from finetune.executors.talk import Hearing
from finetune.progress import Silence

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="pip install 'trimtab[ray]'")


class Cluster:
    """A dashboard that answers in turn what it was told to; the last answer stays."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.stops = 0

    def submit_job(self, *, entrypoint: str) -> str:
        if isinstance(self.answers[0], OSError):
            raise self.answers[0]
        return "job"

    def get_job_status(self, job_id: str) -> Any:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return status(found)

    def stop_job(self, job_id: str) -> bool:
        self.stops += 1
        self.answers = ["RUNNING", "RUNNING", "STOPPED"]
        return True


def status(name: str) -> Any:
    from ray.job_submission import JobStatus

    return JobStatus(name)


async def ran(cluster: Cluster, folder: Path) -> tuple[str, Any]:
    jobs = Jobs(cluster, silent=0.2, pause=0.01)
    return await jobs.run("python", Hearing(folder / "talk.jsonl", Silence()))


async def test_a_moment_without_an_answer_ends_no_training(tmp_path: Path) -> None:
    cluster = Cluster("RUNNING", RuntimeError("502"), ConnectionError(), "RUNNING", "SUCCEEDED")
    assert await ran(cluster, tmp_path) == ("job", status("SUCCEEDED"))
    assert cluster.stops == 0


async def test_a_cluster_that_stays_silent_is_named_and_told_to_stop(tmp_path: Path) -> None:
    cluster = Cluster("RUNNING", *[RuntimeError("502")] * 40, "RUNNING")
    with pytest.raises(TrainingFailed, match=r"did not answer for 0 s: .*502"):
        await ran(cluster, tmp_path)
    assert cluster.stops > 0


async def test_a_job_that_is_not_taken_is_a_training_that_failed(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"takes no job: .*full"):
        await ran(Cluster(ConnectionError("full")), tmp_path)


async def test_cancelling_waits_until_the_job_has_ended(tmp_path: Path) -> None:
    cluster = Cluster("RUNNING")
    task = asyncio.create_task(ran(cluster, tmp_path))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cluster.stops > 0
    assert cluster.answers == ["STOPPED"]
