"""The scorer that the settings describe: one model or an ensemble, behind its calibration if there is one."""

from pathlib import Path
from typing import Any

from rewardserve.calibrate import read_calibration
from rewardserve.calibrated import CalibratedScorer
from rewardserve.ensemble import load_ensemble
from rewardserve.scorer import Measured, ModelSpec, Scorer, load_scorer
from rewardserve.settings import RewardSettings


def load_served(settings: RewardSettings, spec: ModelSpec) -> Scorer[Measured]:
    """What is to be served; raises ModelUnusable.

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
