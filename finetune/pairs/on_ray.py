"""The same pairs from a Ray cluster: each page of exchanges is a task of whichever machine is free.

Every machine must have this version of Trimtab, and reach the ledger: PostgreSQL, or a file that all of them see.
"""

import importlib.util
import logging
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from finetune.errors import FinetuneFailed, Unready, reason
from finetune.pairs.desk import AHEAD, Desk, Page, PairJob
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.ledger.url import read_url

LOCAL = "local"  # starts a Ray of this machine, and stops it afterwards
CONNECT_SECONDS = 10.0
AGAIN = 3  # times that a page is made again whose machine was lost
MISSING = "finetune.jobs_on_ray: Ray is not installed here; pip install 'trimtab[ray]'"


def _address(told: str) -> str:
    head, _, port = told.removeprefix("ray://").rpartition(":")
    if told not in {LOCAL, "auto"} and not (head and "/" not in head and port.isdecimal()):
        raise ValueError("must be local, auto, HOST:PORT or ray://HOST:PORT")
    return told


Address = Annotated[str, AfterValidator(_address)]


def cluster_at(address: str | None) -> str | None:
    """The address, once Ray is known to be here; raises Unready."""
    if address is not None and importlib.util.find_spec("ray") is None:
        raise Unready(MISSING)
    return address


def made_on_ray(job: PairJob, pages: Sequence[Sequence[int]], jobs: int, address: str) -> Iterator[Page]:
    """Each page's pairs, in the order of the pages; raises LedgerFailed, FinetuneFailed.

    As many at once as the cluster has CPUs; a few times `jobs` are under way, so that what is made does not pile up.
    """
    with joined(address, jobs) as ray:
        task = ray.remote(num_cpus=1, max_retries=AGAIN)(page_of)
        told = ray.put(seen_from_anywhere(job))
        under_way: deque[Any] = deque()
        for page in pages:
            under_way.append(task.remote(told, page))
            if len(under_way) == AHEAD * jobs:
                yield answer(ray, under_way.popleft())
        while under_way:
            yield answer(ray, under_way.popleft())


def page_of(job: PairJob, seqs: Sequence[int]) -> Page:
    """A page, at the desk of this process of the cluster."""
    return desk_of(job)(seqs)


@cache
def desk_of(job: PairJob) -> Desk:
    """The desk of this process, which lives as long as its driver; raises LedgerFailed."""
    database = Database(job.ledger)
    if database.missing:
        raise LedgerFailed(
            f"{database.name} is not there on every machine; share the file, or use PostgreSQL"
        )
    return Desk(job)


def seen_from_anywhere(job: PairJob) -> PairJob:
    """The same job, a file named by its whole path: tasks begin in folders of their own."""
    url = read_url(job.ledger)
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith("file:"):
        return job
    whole = url.set(database=str(Path(url.database).absolute()))
    return replace(job, ledger=whole.render_as_string(hide_password=False))


def answer(ray: Any, under_way: Any) -> Page:
    """What a task gave; a ledger's failure is raised as it was there, whatever else as FinetuneFailed."""
    try:
        page: Page = ray.get(under_way)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, LedgerFailed):
            raise error.cause from None
        raise FinetuneFailed(f"pairs cannot be made on Ray: {reason(error.cause)}") from None
    except ray.exceptions.RayError as error:
        raise FinetuneFailed(f"pairs cannot be made on Ray: {reason(error)}") from error
    return page


@contextmanager
def joined(address: str, jobs: int) -> Iterator[Any]:
    """Ray, connected until the end; one that is connected already is used, and left so. Raises FinetuneFailed."""
    try:
        import ray  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise FinetuneFailed(MISSING) from error
    if ray.is_initialized():
        yield ray
        return
    # Its processes must not take our signals, and it warns where it cannot: not in the main thread, where pages wait.
    logging.getLogger("ray").setLevel(logging.ERROR)
    own = {"num_cpus": jobs, "include_dashboard": False} if address == LOCAL else {}
    try:
        reached(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False, **own)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise FinetuneFailed(f"finetune.jobs_on_ray: no Ray answers at {address}: {reason(error)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def reached(address: str) -> None:
    """Whether anybody listens there, which Ray takes minutes to find out; raises OSError."""
    if address in {LOCAL, "auto"}:
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
