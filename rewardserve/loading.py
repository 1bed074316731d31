"""The scorer that the settings describe: one model or an ensemble, behind its calibration if there is one."""

from typing import Any

from rewardserve.calibrate import read_calibration
from rewardserve.calibrated import CalibratedScorer
from rewardserve.ensemble import load_ensemble
from rewardserve.scorer import Measured, Scorer, load_scorer
from rewardserve.settings import RewardSettings


def load_served(settings: RewardSettings) -> Scorer[Measured]:
    """What is to be served; raises ModelUnusable."""
    scorer: Any  # each backend knows its own items
    if settings.ensemble is not None:
        scorer = load_ensemble(settings.ensemble, settings.api_key)
    else:
        scorer = load_scorer(settings.backend, settings.spec)
    if settings.calibration is not None:
        scorer = CalibratedScorer(scorer, read_calibration(settings.calibration, scorer.card.name))
    served: Scorer[Measured] = scorer
    return served
