"""The scorer that the settings describe: one model or an ensemble, behind its calibration if there is one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from rewardserve.calibrate import read_calibration
from rewardserve.calibrated import CalibratedScorer
from rewardserve.ensemble import load_ensemble
from rewardserve.scorer import Measured, ModelSpec, Scorer, load_scorer
from rewardserve.settings import RewardSettings


def load_workers(settings: RewardSettings, model: str | None = None) -> list[Scorer[Measured]]:
    """What is to be served, once for each worker; `model` instead of that of the settings. Raises ModelUnusable."""
    spec = replace(settings.spec, model=model or settings.model)
    return [load_served(settings, replace(spec, worker=worker)) for worker in range(settings.workers)]


def load_served(settings: RewardSettings, spec: ModelSpec) -> Scorer[Measured]:
    """The same for one worker.

    `spec` is that of the settings, or one that names another model in its place: beside an ensemble, another document.
    """
    scorer: Any  # each backend knows its own items
    if settings.ensemble is not None:
        path = settings.ensemble if spec.model == settings.model else Path(spec.model)
        scorer = load_ensemble(path, spec.api_key)
    else:
        scorer = load_scorer(settings.backend, spec)
    if settings.calibration is not None:
        scorer = CalibratedScorer(scorer, read_calibration(settings.calibration, scorer.card.name))
    served: Scorer[Measured] = scorer
    return served
