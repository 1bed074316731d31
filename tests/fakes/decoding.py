"""The pocket engine's decoding in the test's own thread, without a server."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.engines.pocket.decode import Model
from gateway.engines.pocket.inflight import InFlight
from gateway.engines.pocket.job import Job, Sampling
from gateway.engines.pocket.model import PocketModel
from gateway.engines.pocket.schedule import Limits


def generate(
    model: PocketModel,
    prompts: Sequence[Sequence[Mapping[str, Any]]],
    *,
    n: int = 1,
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    adapter: Path | None = None,
) -> list[list[str]]:
    """n answers to each conversation; the k-th of all draws from seed + k."""
    version = model.base if adapter is None else model.adapter(adapter)
    jobs = []
    for i, messages in enumerate(prompts):
        ids = model.render(messages)
        sampling = Sampling(max_tokens=min(max_tokens, model.room(ids, 1)), temperature=temperature)
        jobs.append(Job(version, ids, sampling, seed + i * n, n))
    return decode_all(model, jobs, Limits())


def decode_all(model: Model, jobs: Sequence[Job], limits: Limits) -> list[list[str]]:
    """The texts of every job's choices; the first failure is raised."""
    flight = InFlight(model, limits)
    texts = {job: [""] * job.n for job in jobs}
    for job in jobs:
        flight.add(job)
    while flight.busy:
        outcome = flight.step()
        for error in outcome.failures.values():
            raise error
        for job, deltas in outcome.deltas.items():
            for delta in deltas:
                texts[job][delta.index] += delta.text
    return [texts[job] for job in jobs]
