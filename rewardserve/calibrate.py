"""Fits a calibration to labelled pairs, and says on pairs that it has not seen how good it is."""

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rewardserve.calibration import (
    Curve,
    bradley_terry_scale,
    isotonic,
    loess,
    log_length,
    log_loss,
    sigmoid,
)
from rewardserve.errors import ModelUnusable
from rewardserve.figures import Figure, Values, calibration_error, resampled, share
from rewardserve.scored_pairs import ScoredPair

FORM = "trimtab.reward-calibration.1"
FOLDS = 5
FEWEST = 50  # pairs
LengthRule = Literal["auto", "on", "off"]


class CannotCalibrate(ValueError):
    """The pairs do not allow it; the message says why."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns a raw reward into a calibrated one: nats above a usual answer of the pairs."""

    model: str
    scale: float  # nats a unit of reward
    zero: float  # the reward of a usual answer: one that wins against another by chance
    length: Curve | None  # what length alone earns, of log length; 0 on average
    win: Curve  # P(win) of a margin of rewards

    def fair(self, reward: float, length: float) -> float:
        """The reward without what its length earns."""
        return reward - (float(self.length(np.array([length]))[0]) if self.length else 0.0)

    def nats(self, fair: float) -> float:
        """Log-odds of winning against a usual answer: the calibrated reward, in which nothing ties."""
        return self.scale * (fair - self.zero)

    def chance(self, fair: float) -> float:
        """The chance of winning against a usual answer, by the isotonic map."""
        return float(self.win(np.array([fair - self.zero]))[0])


@dataclass(frozen=True, slots=True)
class Table:
    """Scored pairs as columns."""

    chosen: Values
    rejected: Values
    chosen_length: Values
    rejected_length: Values
    fold: NDArray[np.int64]  # pairs of one conversation are in one

    def margins(self, length: Curve | None) -> Values:
        """By how much the better answer is ahead, without what length earns."""
        if length is None:
            return self.chosen - self.rejected
        return (self.chosen - length(self.chosen_length)) - (self.rejected - length(self.rejected_length))


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration, and the figures of it; those named `held_out` are of folds that it was not fitted to."""

    calibration: Calibration
    figures: dict[str, Figure]
    pairs: int


def calibrate(model: str, scored: Sequence[ScoredPair], length: LengthRule = "auto") -> Calibrated:
    """The calibration of a model from pairs; raises CannotCalibrate."""
    finite = [one for one in scored if math.isfinite(one.margin)]
    if len(finite) < FEWEST:
        raise CannotCalibrate(f"{len(finite)} scored pairs; at least {FEWEST} are wanted")
    table = table_of(finite)
    plain, fair = held_out(table, corrected=False), held_out(table, corrected=True)
    corrected = length == "on" or (length == "auto" and log_loss(fair.by_scale) < log_loss(plain.by_scale))
    curve = length_curve(table) if corrected else None
    margins = table.margins(curve)
    scale = bradley_terry_scale(margins)
    if scale <= 0:
        raise CannotCalibrate(
            "chosen answers have no larger rewards than rejected ones: nothing to calibrate"
        )
    found = Calibration(model, scale, zero_of(table, curve), curve, isotonic(margins))
    return Calibrated(found, figures_of(table, curve, fair if corrected else plain), len(finite))


def table_of(scored: Sequence[ScoredPair]) -> Table:
    """The pairs as columns."""
    lengths = [[log_length(text) for text in (one.pair.chosen, one.pair.rejected)] for one in scored]
    folds = [zlib.crc32(repr(one.pair.messages).encode()) % FOLDS for one in scored]
    return Table(
        np.array([float(one.chosen) for one in scored]),
        np.array([float(one.rejected) for one in scored]),
        np.array([both[0] for both in lengths]),
        np.array([both[1] for both in lengths]),
        np.array(folds, dtype=np.int64),
    )


def part(table: Table, rows: NDArray[np.bool_]) -> Table:
    """Some of the rows."""
    return Table(
        table.chosen[rows],
        table.rejected[rows],
        table.chosen_length[rows],
        table.rejected_length[rows],
        table.fold[rows],
    )


def length_curve(table: Table) -> Curve:
    """What length alone earns, 0 on average."""
    x = np.concatenate([table.chosen_length, table.rejected_length])
    curve = loess(x, np.concatenate([table.chosen, table.rejected]))
    middle = float(curve(x).mean())
    return Curve(curve.x, tuple(value - middle for value in curve.y))


def zero_of(table: Table, curve: Curve | None) -> float:
    """The median of all answers' rewards, without what length earns."""
    sides = ((table.chosen, table.chosen_length), (table.rejected, table.rejected_length))
    fair = [rewards - curve(lengths) if curve else rewards for rewards, lengths in sides]
    return float(np.median(np.concatenate(fair)))


@dataclass(frozen=True, slots=True)
class HeldOut:
    """For each pair, by maps fitted without its fold: the margin, and the chance that chosen wins."""

    margins: Values
    by_scale: Values
    by_isotonic: Values


def held_out(table: Table, *, corrected: bool) -> HeldOut:
    """Cross-fitting: each fold is judged by what the others say."""
    found = [np.zeros(len(table.fold)) for _ in range(3)]
    for fold in np.unique(table.fold):
        own = table.fold == fold
        rest = part(table, ~own)
        if not len(rest.fold):
            raise CannotCalibrate("all pairs are of one conversation, so nothing can be held out")
        curve = length_curve(rest) if corrected else None
        fitted, margins = rest.margins(curve), part(table, own).margins(curve)
        columns = (margins, sigmoid(bradley_terry_scale(fitted) * margins), isotonic(fitted)(margins))
        for column, values in zip(found, columns, strict=True):
            column[own] = values
    return HeldOut(*found)


def figures_of(table: Table, curve: Curve | None, held: HeldOut) -> dict[str, Figure]:
    """How good it is, each with its interval."""
    raw = table.margins(None)
    lengths = np.concatenate([table.chosen_length, table.rejected_length])
    rewards = np.concatenate([table.chosen, table.rejected])
    fair = rewards - curve(lengths) if curve else rewards
    return {
        "accuracy_raw": share(right(raw)),
        "accuracy_held_out": share(right(held.margins)),
        "calibration_error_raw": error_of(raw, sigmoid(raw)),
        "calibration_error_scale_held_out": error_of(held.margins, held.by_scale),
        "calibration_error_isotonic_held_out": error_of(held.margins, held.by_isotonic),
        "log_loss_raw": resampled(lambda rows: log_loss(sigmoid(raw[rows])), len(raw)),
        "log_loss_scale_held_out": resampled(lambda rows: log_loss(held.by_scale[rows]), len(raw)),
        "log_loss_isotonic_held_out": resampled(lambda rows: log_loss(held.by_isotonic[rows]), len(raw)),
        "length_correlation_raw": rank_correlation(rewards, lengths),
        "length_correlation": rank_correlation(fair, lengths),
    }


def right(margins: Values) -> Values:
    """1 where the better answer is rewarded more, a half for a tie."""
    return np.where(margins > 0, 1.0, np.where(margins == 0, 0.5, 0.0))


def error_of(margins: Values, chance: Values) -> Figure:
    """The calibration error of the answer with the larger reward: how sure it was to win, and whether it did."""
    ahead = margins >= 0
    return calibration_error(
        np.where(ahead, chance, 1 - chance), right(np.where(ahead, margins, -np.abs(margins)))
    )


def rank_correlation(a: Values, b: Values) -> Figure:
    """Spearman's, of ranks among all (ties in the order they come)."""
    ranks = [np.argsort(np.argsort(one, kind="stable")).astype(float) for one in (a, b)]

    def correlation(rows: NDArray[np.int64]) -> float:
        first, second = (one[rows] - one[rows].mean() for one in ranks)
        size = float(np.sqrt((first @ first) * (second @ second)))
        return float(first @ second) / size if size else 0.0

    return resampled(correlation, len(a))


def document_of(made: Calibrated) -> dict[str, Any]:
    """The calibration as JSON."""
    one = made.calibration
    return {
        "form": FORM,
        "model": one.model,
        "pairs": made.pairs,
        "scale": one.scale,
        "zero": one.zero,
        "length": None if one.length is None else {"x": one.length.x, "y": one.length.y},
        "win": {"x": one.win.x, "y": one.win.y},
        "figures": {name: figure.told() for name, figure in made.figures.items()},
    }


def read_calibration(path: Path, model: str) -> Calibration:
    """The calibration of a document, made for this model; raises ModelUnusable."""
    try:
        told: Any = json.loads(path.read_text("utf-8"))
        if told["form"] != FORM:
            raise ModelUnusable(f"calibration {path}: not of the form {FORM}")
        length = None if told["length"] is None else curve_of(told["length"])
        made_for = str(told["model"])
        found = Calibration(
            made_for, float(told["scale"]), float(told["zero"]), length, curve_of(told["win"])
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnusable(f"calibration {path} cannot be used: {type(error).__name__}: {error}") from error
    if made_for != model:
        raise ModelUnusable(f"calibration {path} was made for {made_for!r}, and this is {model!r}")
    return found


def curve_of(told: Any) -> Curve:
    """A curve from JSON; raises ValueError."""
    x, y = (tuple(float(value) for value in told[axis]) for axis in ("x", "y"))
    if not x or len(x) != len(y) or list(x) != sorted(set(x)) or not all(map(math.isfinite, (*x, *y))):
        raise ValueError("a curve wants as many finite y as x, and x that rise")
    return Curve(x, y)
