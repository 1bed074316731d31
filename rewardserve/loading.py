"""The scorer that the settings describe: one model or an ensemble, behind its calibration if there is one."""

from dataclasses import replace
from typing import Any

from rewardserve.calibrate import read_calibration
from rewardserve.calibrated import CalibratedScorer
from rewardserve.ensemble import load_ensemble
from rewardserve.errors import ModelUnusable
from rewardserve.scorer import Measured, Scorer, load_scorer
from rewardserve.settings import RewardSettings


def load_served(settings: RewardSettings, model: str | None = None) -> list[Scorer[Measured]]:
    """What is to be served, once for each worker; `model` instead of that of the settings. Raises ModelUnusable."""
    if model is not None and settings.ensemble is not None:
        raise ModelUnusable("an ensemble is served: change its file and start the server anew")
    return [load_one(settings, model, worker) for worker in range(settings.workers)]


def load_one(settings: RewardSettings, model: str | None, worker: int) -> Scorer[Measured]:
    """The same for one worker."""
    scorer: Any  # each backend knows its own items
    if settings.ensemble is not None:
        scorer = load_ensemble(settings.ensemble, settings.api_key)
    else:
        spec = replace(settings.spec, worker=worker, model=model or settings.model)
        scorer = load_scorer(settings.backend, spec)
    if settings.calibration is not None:
        scorer = CalibratedScorer(scorer, read_calibration(settings.calibration, scorer.card.name))
    served: Scorer[Measured] = scorer
    return served
