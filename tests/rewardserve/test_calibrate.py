"""Calibration, on pairs that were drawn from a known truth, and the scorer behind one."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardserve.calibrate import CannotCalibrate, calibrate, document_of, read_calibration
from rewardserve.calibrated import CalibratedScorer
from rewardserve.calibration import bradley_terry_scale, isotonic, loess, sigmoid
from rewardserve.errors import ModelUnusable
from rewardserve.pairs import LabelledPair
from rewardserve.reward import Reward
from rewardserve.scored_pairs import ScoredPair
from rewardserve.scorer import Message
from tests.fakes.scorer import FakeScorer

SCALE = 0.4  # nats of a unit of reward, in truth


def drawn(count: int, *, bias: float = 0.0, seed: int = 1) -> list[ScoredPair]:
    """Pairs whose labels follow the true quality, and rewards that add what length earns."""
    rng = np.random.default_rng(seed)
    pairs = []
    for number in range(count):
        quality = rng.normal(0, 3, 2)
        sizes = rng.integers(10, 2000, 2)
        rewards = 5 + quality + bias * np.log(sizes)
        first_wins = rng.random() < 1 / (1 + math.exp(-SCALE * (quality[0] - quality[1])))
        best, worst = (0, 1) if first_wins else (1, 0)
        asked = ({"role": "user", "content": f"Question {number}"},)
        pair = LabelledPair(asked, "x" * int(sizes[best]), "x" * int(sizes[worst]))
        pairs.append(ScoredPair(pair, float(rewards[best]), float(rewards[worst])))
    return pairs


def test_the_true_scale_is_found() -> None:
    found = calibrate("fake", drawn(3000), "off")
    assert found.calibration.scale == pytest.approx(SCALE, abs=0.04)
    assert found.calibration.zero == pytest.approx(5, abs=0.3)


def test_it_is_calibrated_where_the_raw_reward_is_not() -> None:
    figures = calibrate("fake", drawn(3000)).figures
    raw, scaled = figures["calibration_error_raw"], figures["calibration_error_scale_held_out"]
    assert raw.low > 0.1
    assert scaled.value < 0.03
    assert figures["log_loss_scale_held_out"].high < figures["log_loss_raw"].low
    assert scaled.low <= scaled.value <= scaled.high


def test_a_length_bias_is_found_and_taken_off() -> None:
    biased = calibrate("fake", drawn(2000, bias=2.0))
    assert biased.calibration.length is not None
    assert biased.figures["length_correlation_raw"].low > 0.3
    assert abs(biased.figures["length_correlation"].value) < 0.06
    assert biased.figures["accuracy_held_out"].value > biased.figures["accuracy_raw"].value


def test_a_model_that_likes_length_is_left_alone_when_told() -> None:
    assert calibrate("fake", drawn(200, bias=2.0), "off").calibration.length is None


def test_loess_follows_a_curve() -> None:
    x = np.linspace(0, 6, 600)
    curve = loess(x, np.sin(x), share=0.2)
    assert np.abs(curve(x) - np.sin(x)).max() < 0.05


def test_loess_of_one_length_is_the_mean() -> None:
    assert loess(np.ones(9), np.arange(9.0))(np.array([1.0, 5.0])).tolist() == pytest.approx([4, 4])


def test_the_isotonic_map_rises_and_is_symmetric() -> None:
    margins = np.random.default_rng(0).normal(1, 2, 300)
    curve, x = isotonic(margins), np.linspace(-6, 6, 101)
    assert (np.diff(curve(x)) >= 0).all()
    assert curve(x) + curve(-x) == pytest.approx(np.ones(101))
    assert curve(np.zeros(1))[0] == pytest.approx(0.5)


def test_an_isotonic_map_pools_what_falls() -> None:
    # Of five pairs with a margin of 1 four are right; of margin 2, half.
    curve = isotonic(np.array([1.0] * 4 + [-1.0] + [2.0, -2.0]))
    assert curve(np.array([1.0, 2.0])).tolist() == pytest.approx([5 / 7, 5 / 7])


def test_pairs_that_are_all_right_have_a_finite_scale() -> None:
    assert 0 < bradley_terry_scale(np.full(60, 0.5)) <= 1000


def test_a_model_that_is_no_better_than_chance_cannot_be_calibrated() -> None:
    turned = [ScoredPair(one.pair, one.rejected, one.chosen) for one in drawn(200)]
    with pytest.raises(CannotCalibrate, match="no larger rewards"):
        calibrate("fake", turned)


def test_few_pairs_are_refused() -> None:
    with pytest.raises(CannotCalibrate, match="9 scored pairs; at least 50"):
        calibrate("fake", drawn(9))


def test_the_document_comes_back_as_it_was(tmp_path: Path) -> None:
    made = calibrate("fake", drawn(300, bias=2.0))
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(document_of(made)))
    assert read_calibration(path, "fake") == made.calibration


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"form": "other"}, "form"),
        ({"win": {"x": [1, 0], "y": [0, 1]}}, "x that rise"),
        ({"scale": "wide"}, "cannot be used"),
        ({"model": "other"}, "made for 'other'"),
    ],
)
def test_a_wrong_document_is_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(document_of(calibrate("fake", drawn(200))) | change))
    with pytest.raises(ModelUnusable, match=told):
        read_calibration(path, "fake")


def rewarded(scorer: CalibratedScorer, candidates: Sequence[str]) -> list[Any]:
    return scorer.score(scorer.on_route(scorer.prepare([Message("user", "How?")], candidates), "r"))


def test_a_calibrated_reward_keeps_the_raw_one_and_tells_the_chance() -> None:
    calibration = calibrate("fake", drawn(3000), "off").calibration
    [found] = rewarded(CalibratedScorer(FakeScorer(lambda _: 10.0), calibration), ["a"])
    assert found.heads["raw"] == 10
    assert found == pytest.approx(SCALE * 5, abs=0.3)
    assert found.heads["win"] == pytest.approx(float(sigmoid(np.array([SCALE * 5]))[0]), abs=0.06)


def test_a_long_answer_is_not_rewarded_for_its_length() -> None:
    calibration = calibrate("fake", drawn(2000, bias=2.0), "on").calibration
    scorer = CalibratedScorer(FakeScorer(lambda text: 5 + 2 * math.log(len(text))), calibration)
    short, long = rewarded(scorer, ["x" * 50, "x" * 1500])
    assert long.heads["raw"] - short.heads["raw"] > 6
    assert abs(long - short) < 0.3


def test_doubt_and_parts_pass_through() -> None:
    calibration = calibrate("fake", drawn(200), "off").calibration
    inner = FakeScorer()
    inner.score = lambda items: [Reward(3.0, {"help": 1.0}, spread=2.0)]  # type: ignore[method-assign]
    [found] = rewarded(CalibratedScorer(inner, calibration), ["a"])
    assert found.heads["help"] == 1.0
    assert found.spread == pytest.approx(2.0 * calibration.scale)
