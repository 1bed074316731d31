"""Where a training runs: other processes and Ray train what this process would, and leave nothing behind."""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import TypeAdapter, ValidationError

from finetune.errors import TrainingFailed
from finetune.executors.accelerate import AccelerateExecutor
from finetune.executors.choosing import ElsewhereTrainer, executor_of
from finetune.executors.contract import Accelerate, Executor, Other, Ray, Where
from finetune.executors.processes import files_for, run
from finetune.executors.ray import RayExecutor
from finetune.executors.talk import Hearing, Talk, listened, stop_unheard
from finetune.pairs.dataset import Dataset, freeze, thaw
from finetune.progress import Silence
from finetune.train.contract import Job, Recipe, job_of
from finetune.train.trainer import LocalTrainer
from tests.fakes.gateway_alone import free_port

slow = pytest.mark.slow  # starts processes that train
rayed = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="pip install 'trimtab[ray]'")

RECIPE = Recipe(rank=4, alpha=8, learning_rate=1e-2, epochs=2, batch_size=8, max_length=64, device="cpu")
LONG = replace(RECIPE, epochs=500, checkpoint_steps=0)
WHERE: TypeAdapter[Where] = TypeAdapter(Where)


class Heard(Silence):
    """Remembers how far training was, and calls when it has begun."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.begun = asyncio.Event()

    def advanced(self, done: int, total: int, told: str = "") -> None:
        self.steps.append((done, total))
        if total > 6:  # batches shown to the reference are six
            self.begun.set()


def trainer(executor: Executor, base: Path, folder: Path, heard: Heard | None = None) -> ElsewhereTrainer:
    return ElsewhereTrainer(executor, str(base), folder / "adapters", heard or Heard())


def running(folder: Path) -> list[int]:
    """The processes that were told of a folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(folder).encode() in each.read_bytes() and int(each.parent.name) != os.getpid():
                found.append(int(each.parent.name))
    return found


async def gone(folder: Path) -> bool:
    """Whether nothing of it runs, after a moment."""
    for _ in range(50):
        if not running(folder):
            return True
        await asyncio.sleep(0.1)
    return False


@rayed
@pytest.mark.parametrize(
    "executor", [AccelerateExecutor(Accelerate(processes=8)), RayExecutor(Ray(workers=8))]
)
def test_kto_needs_two_rows_for_each_process(executor: Executor) -> None:
    assert "kto needs 2 rows" in str(executor.refuses(replace(RECIPE, method="kto")))
    assert executor.refuses(replace(RECIPE, method="kto", batch_size=16)) is None


@slow
async def test_one_process_trains_what_this_one_would(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    here = await LocalTrainer(str(tiny_policy), tmp_path / "here", Silence()).train(dataset, RECIPE)
    there = await trainer(AccelerateExecutor(Accelerate()), tiny_policy, tmp_path).train(dataset, RECIPE)
    assert (there.steps, there.unservable) == (here.steps, here.unservable)
    # Threads are another number there, and sums in another order.
    assert there.health.margin == pytest.approx(here.health.margin, rel=1e-3)
    assert there.health.chosen_drift == pytest.approx(here.health.chosen_drift, rel=1e-3)


@slow
async def test_two_processes_share_the_batches(tiny_policy: Path, dataset: Dataset, tmp_path: Path) -> None:
    heard = Heard()
    executor = AccelerateExecutor(Accelerate(processes=2))
    found = await trainer(executor, tiny_policy, tmp_path, heard).train(dataset, RECIPE)
    assert found.steps == 12  # as many as one process makes with the same batch
    assert found.health.accuracy > 0.9
    assert found.unservable == ()
    assert heard.steps[-1] == (12, 12)
    assert [path.name for path in (tmp_path / "adapters").iterdir()] == [found.digest]
    assert not any((tmp_path / "executors").iterdir())


@slow
async def test_ballast_is_shared_too(tiny_policy: Path, dataset: Dataset, tmp_path: Path) -> None:
    pairs = [replace(p, kind="helpfulness" if i % 2 else "safety") for i, p in enumerate(thaw(dataset.path))]
    mixed = freeze(pairs, tmp_path / "mixed", {})
    executor = AccelerateExecutor(Accelerate(processes=2))
    found = await trainer(executor, tiny_policy, tmp_path).train(mixed, replace(RECIPE, ballast=1.0))
    assert found.health.accuracy > 0.9


@slow
async def test_what_went_wrong_there_is_told_here(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    absent = trainer(AccelerateExecutor(Accelerate()), tmp_path / "no model", tmp_path)
    with pytest.raises(TrainingFailed, match="no model"):
        await absent.train(dataset, RECIPE)


@slow
async def test_cancelling_leaves_no_process(tiny_policy: Path, dataset: Dataset, tmp_path: Path) -> None:
    heard = Heard()
    there = trainer(AccelerateExecutor(Accelerate(processes=2)), tiny_policy, tmp_path, heard)
    task = asyncio.create_task(there.train(dataset, LONG))
    await asyncio.wait_for(heard.begun.wait(), 120)
    assert running(tmp_path)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(tmp_path)


@slow
async def test_a_killed_process_ends_the_training(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    heard = Heard()
    there = trainer(AccelerateExecutor(Accelerate()), tiny_policy, tmp_path, heard)
    task = asyncio.create_task(there.train(dataset, LONG))
    await asyncio.wait_for(heard.begun.wait(), 120)
    for process in running(tmp_path):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    with pytest.raises(TrainingFailed, match="what they said is in"):
        await asyncio.wait_for(task, 60)


async def test_workers_with_sessions_of_their_own_do_not_outlive_their_launcher(
    dataset: Dataset, tmp_path: Path
) -> None:
    worker = "[sys.executable, '-c', 'import time; time.sleep(60)', sys.argv[1]]"
    starting = f"subprocess.Popen({worker}, start_new_session=True)"
    launcher = f"import os, subprocess, sys; {starting}; os.kill(os.getpid(), 9)"
    job = job_of(dataset, RECIPE, "base", tmp_path / "adapters", None, None)
    with pytest.raises(TrainingFailed, match="ended with -9"):
        await run(job, Silence(), lambda files: [sys.executable, "-c", launcher, str(files.folder)])
    assert running(tmp_path) == []


def password(folder: Path, dataset: Dataset) -> Job:
    return job_of(dataset, RECIPE, "base", folder / "adapters", None, "https://svc:hunter2@rewards.internal")


def test_a_job_is_read_by_its_owner_alone(dataset: Dataset, tmp_path: Path) -> None:
    files = files_for(password(tmp_path, dataset))
    assert b"hunter2" in files.job.read_bytes()
    assert (files.job.stat().st_mode & 0o777, files.folder.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("command", [["false"], ["no-such-command-anywhere"]])
async def test_a_training_that_fails_leaves_no_job(
    dataset: Dataset, tmp_path: Path, command: list[str]
) -> None:
    with pytest.raises(TrainingFailed):
        await run(password(tmp_path, dataset), Silence(), lambda files: command)
    (place,) = (tmp_path / "executors").iterdir()
    assert {path.name for path in place.iterdir()} == {"log", "listened"}


async def test_a_training_that_is_cancelled_leaves_no_job(dataset: Dataset, tmp_path: Path) -> None:
    task = asyncio.create_task(run(password(tmp_path, dataset), Silence(), lambda files: ["sleep", "60"]))
    while not list(tmp_path.glob("executors/*/listened")):
        await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list(tmp_path.glob("executors/*/job.json"))


@slow
@rayed
async def test_two_workers_of_ray_share_the_batches(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    heard = Heard()
    executor = RayExecutor(Ray(workers=2, cpus_per_worker=0.5))
    found = await trainer(executor, tiny_policy, tmp_path, heard).train(dataset, RECIPE)
    assert (found.steps, heard.steps[-1]) == (12, (12, 12))
    assert found.health.accuracy > 0.9


@pytest.fixture
def cluster() -> Iterator[str]:
    """A Ray cluster of this machine; the address of its dashboard, which takes jobs."""
    ray = Path(sys.executable).with_name("ray")
    ports = [free_port() for _ in range(2)]
    # The cluster's own `python` is the one that has Trimtab; nobody else reaches it, and it asks for no token.
    path = f"{ray.parent}{os.pathsep}{os.environ['PATH']}"
    told = {**os.environ, "PATH": path, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(Path.cwd())}
    options = [
        f"--port={ports[0]}",
        f"--dashboard-port={ports[1]}",
        "--include-dashboard=true",
        "--num-cpus=2",
    ]
    # A folder of its own, and a short one: from the usual others would join it, even once it is gone.
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    process = subprocess.Popen(
        [ray, "start", "--head", "--block", *options, "--disable-usage-stats", f"--temp-dir={folder}"],
        env=told,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # `ray stop` would stop everybody's
    )
    dashboard = f"http://127.0.0.1:{ports[1]}"
    answers(dashboard)
    yield dashboard
    os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def answers(url: str) -> None:
    """Wait until somebody takes jobs there."""
    for _ in range(120):
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/api/version", timeout=2, trust_env=False).status_code == 200:
                return
        time.sleep(0.5)
    pytest.fail(f"no Ray dashboard answers at {url}")


@slow
@rayed
async def test_a_ray_job_trains_on_the_cluster(
    cluster: str, tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    heard = Heard()
    executor = RayExecutor(Ray(address=cluster, workers=2, cpus_per_worker=0.5))
    found = await trainer(executor, tiny_policy, tmp_path, heard).train(dataset, RECIPE)
    assert (found.steps, heard.steps[-1]) == (12, (12, 12))
    assert not any((tmp_path / "executors").iterdir())


@rayed
async def test_a_cluster_that_is_not_there_is_named(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    executor = RayExecutor(Ray(address="http://127.0.0.1:9"))
    with pytest.raises(TrainingFailed, match=r"executor\.address: no Ray cluster answers"):
        await trainer(executor, tiny_policy, tmp_path).train(dataset, RECIPE)


def test_nobody_listens_any_more(tmp_path: Path) -> None:
    stop, talk = threading.Event(), tmp_path / "talk.jsonl"
    listened(talk).touch()
    stop_unheard(talk, stop, patience=0.2)
    assert stop.is_set()


def test_whoever_is_heard_goes_on(tmp_path: Path) -> None:
    stop, talk = threading.Event(), tmp_path / "talk.jsonl"
    hearing = Hearing(talk, Silence())
    watching = threading.Thread(target=stop_unheard, args=(talk, stop, 0.5))
    watching.start()
    for _ in range(10):
        hearing.listen()
        time.sleep(0.1)
    assert not stop.is_set()
    stop.set()
    watching.join()


def test_a_line_that_is_cut_off_is_heard_once_it_is_whole(tmp_path: Path) -> None:
    talk, heard = tmp_path / "talk.jsonl", Heard()
    hearing = Hearing(talk, heard)
    Talk(talk).advanced(1, 9)
    with talk.open("a") as file:
        file.write('{"advanced": [2,')
    hearing.listen()
    with talk.open("a") as file:
        file.write(' 9, ""]}\n')
    hearing.listen()
    assert heard.steps == [(1, 9), (2, 9)]


@pytest.mark.parametrize(
    ("executor", "recipe", "why"),
    [
        (AccelerateExecutor(Accelerate(processes=3)), RECIPE, r"executor\.processes: 3 must divide"),
        (AccelerateExecutor(Accelerate(fsdp=True)), RECIPE, r"executor\.fsdp: needs GPUs"),
        (
            AccelerateExecutor(Accelerate(fsdp=True)),
            replace(RECIPE, ballast=1.0),
            r"executor\.fsdp: .*ballast",
        ),
    ],
)
async def test_what_cannot_work_is_refused_before_it_starts(
    executor: Executor, recipe: Recipe, why: str, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(TrainingFailed, match=why):
        await trainer(executor, tmp_path, tmp_path).train(dataset, recipe)
    assert not (tmp_path / "executors").exists()


def test_a_name_is_enough() -> None:
    assert WHERE.validate_python("accelerate") == Accelerate()
    assert WHERE.validate_python({"kind": "ray", "workers": 4}) == Ray(workers=4)


def test_a_misspelt_option_is_named() -> None:
    with pytest.raises(ValidationError, match="procesess"):
        WHERE.validate_python({"kind": "accelerate", "procesess": 2})


def test_an_executor_that_nobody_has_is_named() -> None:
    with pytest.raises(TrainingFailed, match=r"no executor 'slurm'; known are local, accelerate, ray"):
        executor_of(Other("slurm"))
