"""The same count on a Ray cluster; every node must reach the ledger and have Trimtab installed."""

import pickle
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.backtest.tally import Tally
from gateway.backtest.work import Desk, Job, Piece


class RayMissing(Exception):
    """Ray is not installed here."""


class RayDesk:
    """A desk as Ray Data keeps one with each of its actors."""

    def __init__(self, job: bytes) -> None:
        self._desk = Desk(pickle.loads(job))  # noqa: S301 - written by the process that started this one

    def __call__(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """Count one piece."""
        piece: Piece = pickle.loads(row["piece"])  # noqa: S301 - as above
        return {"tally": pickle.dumps(self._desk(piece))}


def count_on_ray(job: Job, pieces: Iterable[Piece], jobs: int) -> Tally:
    """The count over all pieces, by so many actors; raises RayMissing."""
    try:
        import ray  # noqa: PLC0415 - an extra, and slow to import
        import ray.data  # noqa: PLC0415
    except ImportError as error:
        raise RayMissing("Ray Data is not installed here: pip install 'trimtab[ray]'") from error
    rows = [{"piece": pickle.dumps(piece)} for piece in pieces]
    total = Tally(job.keep)
    if not rows:
        return total
    if not ray.is_initialized():
        ray.init(log_to_driver=False, configure_logging=False, include_dashboard=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    actors = ray.data.ActorPoolStrategy(size=min(jobs, len(rows)))
    made = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        RayDesk, fn_constructor_args=(pickle.dumps(job),), compute=actors
    )
    for row in made.iter_rows():
        total.add(pickle.loads(row["tally"]))  # noqa: S301 - written by our own actors
    return total
