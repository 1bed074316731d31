"""Runs a command that trains in processes of its own, listens to it, and leaves none of them behind."""

import asyncio
import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from finetune.errors import TrainingFailed
from finetune.executors.talk import JOB, Hearing
from finetune.progress import Progress
from finetune.train.contract import Job, Trained

SWEEPS = 50  # for those that begin while others are killed, or die slowly
MARK = "TRIMTAB_TRAINING"  # in the environment of all of a training's processes: its files
LISTEN_SECONDS, PATIENCE_SECONDS = 0.2, 40.0  # the second: to end by themselves once they are asked to


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one training that runs elsewhere."""

    folder: Path

    @property
    def job(self) -> Path:
        """What to do."""
        return self.folder / "job.json"

    @property
    def talk(self) -> Path:
        """What came of it."""
        return self.folder / "talk.jsonl"

    @property
    def log(self) -> Path:
        """What its processes print; it stays where a training has failed."""
        return self.folder / "log"


def files_for(job: Job) -> Files:
    """A new one, beside the checkpoints, with the job in it: its owner alone reads it, for it may hold a password."""
    files = Files(job.folder.parent / "executors" / uuid.uuid4().hex[:12])
    files.folder.parent.mkdir(parents=True, exist_ok=True)
    files.folder.mkdir(mode=0o700)
    with os.fdopen(os.open(files.job, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(JOB.dump_json(job))
    return files


@contextmanager
def told_while(files: Files) -> Iterator[None]:
    """The job's file is there meanwhile, and gone at every end."""
    try:
        yield
    finally:
        files.job.unlink(missing_ok=True)


async def run(job: Job, progress: Progress, command_for: Callable[[Files], Sequence[str]]) -> Trained:
    """Run a command until it ends, and give what it has trained; raises TrainingFailed. Cancelling ends it."""
    files = files_for(job)
    hearing = Hearing(files.talk, progress)
    with told_while(files), files.log.open("wb") as log:
        try:
            process = await asyncio.create_subprocess_exec(
                "env",
                f"{MARK}={files.folder}",
                *command_for(files),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise TrainingFailed(f"the training's processes cannot be started: {error}") from error
        try:
            while process.returncode is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(process.wait()), LISTEN_SECONDS)
                hearing.listen()
        finally:
            await ended(process, files)
    found = hearing.result(
        f"the training's processes ended with {process.returncode}; what they said is in {files.log}"
    )
    shutil.rmtree(files.folder, ignore_errors=True)
    return found


async def ended(process: asyncio.subprocess.Process, files: Files) -> None:
    """Nothing of it runs any more: asked first, then killed.

    A launcher gives its workers sessions of their own, and where it was killed itself nobody else ends them.
    """
    if process.returncode is None:
        signalled(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(process.wait()), PATIENCE_SECONDS)
    signalled(process.pid, signal.SIGKILL)
    for _ in range(SWEEPS):
        for each in marked(files):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)
        if not marked(files):
            break
        await asyncio.sleep(LISTEN_SECONDS)
    await process.wait()


def marked(files: Files) -> list[int]:
    """The processes of a training that run, by their environment; on Linux alone."""
    mark, found = f"{MARK}={files.folder}".encode(), []
    for each in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # another's, or gone
            if mark in each.read_bytes().split(b"\0"):
                found.append(int(each.parent.name))
    return found


def signalled(group: int, number: int) -> None:
    """A signal to every process of a group; one that is gone needs none."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
