"""Lessons as arrays: n-grams, labels, weights and folds; batches over them; and calibration of what was learnt."""

import math
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from guards.lessons import SIDE_LABEL_WEIGHT, Lesson, plain
from guards.models.grams import grams, opening

Floats = NDArray[np.float32]

LONGEST_CHARS = 1400  # as much as a window of 128 words mostly has, twice
FOLDS = 2
LARGEST_FOLD = 0.7  # of all lessons
MIXED_SOURCES = {"corpus": 0, "contrast": 1, "passages": 0}  # their safe and unsafe rows belong together
FEWEST_TO_CALIBRATE = 50
# Sources of ordinary requests and of ordinary answers, and how many of them may reach one half as a whole; windows and
# other readings add some.
ORDINARY = {"refusal-direction harmless_train": 0.003, "llamafactory": 0.02}


@dataclass(frozen=True, slots=True)
class School:
    """Lessons ready to be learnt from; labels that are not known weigh nothing."""

    texts: Sequence[str]
    asked: Sequence[str]
    bags: Sequence[NDArray[np.int32]]
    labels: Floats
    weights: Floats
    sides: Floats
    folds: NDArray[np.int64]
    sources: Sequence[str]

    def some(self, chosen: NDArray[np.bool_]) -> "School":
        """The chosen lessons."""
        places = np.flatnonzero(chosen).tolist()
        return School(
            texts=[self.texts[at] for at in places],
            asked=[self.asked[at] for at in places],
            bags=[self.bags[at] for at in places],
            labels=self.labels[places],
            weights=self.weights[places],
            sides=self.sides[places],
            folds=self.folds[places],
            sources=[self.sources[at] for at in places],
        )

    def beside(self, sides: Floats) -> "School":
        """The same lessons with side inputs."""
        return replace(self, sides=sides)

    def alone(self, labels: int) -> "School":
        """The same texts for a head of so many labels and without side inputs."""
        return blank(self.texts, [bag(text) for text in self.texts], labels)

    def asked_alone(self, *, known: Collection[str], labels: int) -> "School":
        """The requests, each once, that are not known, for a head of so many labels."""
        texts = [text for text in dict.fromkeys(self.asked) if text and text not in known]
        return blank(texts, [bag(text) for text in texts], labels)


def blank(texts: Sequence[str], bags: Sequence[NDArray[np.int32]], labels: int) -> School:
    """Texts to be judged only."""
    empty = np.zeros((len(texts), labels), np.float32)
    return School(texts, texts, bags, empty, empty, empty[:, :0], np.zeros(len(texts), np.int64), texts)


def school(lessons: Iterable[Lesson]) -> School:
    """Lessons as arrays."""
    every = list(lessons)
    known = np.array([lesson.labels for lesson in every], np.float32)
    weights = np.array([lesson.weight for lesson in every], np.float32)[:, None] * ~np.isnan(known)
    weights[:, 1:] *= SIDE_LABEL_WEIGHT
    return School(
        texts=[lesson.text for lesson in every],
        asked=[lesson.asked for lesson in every],
        bags=[bag_of(lesson) for lesson in every],
        labels=np.nan_to_num(known),
        weights=weights.astype(np.float32),
        sides=np.zeros((len(every), 0), np.float32),
        folds=folds_of(every),
        sources=[lesson.source for lesson in every],
    )


def bag_of(lesson: Lesson) -> NDArray[np.int32]:
    """The n-grams of a lesson; of a reply also those that say how it begins."""
    own = bag(lesson.text)
    if not lesson.asked or not lesson.whole:
        return own
    return np.concatenate([own, opening(lesson.text).astype(np.int32)])


def bag(text: str) -> NDArray[np.int32]:
    """The n-grams of the beginning of a text."""
    return grams(text[:LONGEST_CHARS]).astype(np.int32)


def folds_of(lessons: Sequence[Lesson]) -> NDArray[np.int64]:
    """Which lessons are left out together; by chance where one fold would leave too little to learn from."""
    folds = np.array([fold_of(lesson) for lesson in lessons])
    largest = np.bincount(folds).max(initial=0)
    return folds if largest <= LARGEST_FOLD * len(folds) else np.arange(len(folds)) % FOLDS


def fold_of(lesson: Lesson) -> int:
    """Unsafe rows stay with their source, so that a fold's head is judged on requests of another hand."""
    if lesson.source in MIXED_SOURCES:
        return MIXED_SOURCES[lesson.source]
    what = lesson.source if lesson.labels[0] else plain(lesson.asked or lesson.text)
    return zlib.crc32(what.encode()) % FOLDS


def rounds(size: int, epochs: int, batch: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Which lessons each step learns: all of them once in every epoch, in a new order."""
    whole = max(1, size // batch)
    return [part for _ in range(epochs) for part in np.array_split(rng.permutation(size), whole)]


def calibrated(logits: Floats, labels: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """For each label the slope and shift that make a logit a probability (Platt's scaling)."""
    slopes, shifts = [], []
    for column in range(labels.shape[1]):
        seen = weights[:, column] > 0
        right, wrong = labels[seen, column].sum(), (1 - labels[seen, column]).sum()
        enough = min(right, wrong) >= FEWEST_TO_CALIBRATE and bool(logits[:, column].any())
        slope, shift = (
            platt(logits[seen, column], labels[seen, column], weights[seen, column]) if enough else (1.0, 0.0)
        )
        slopes.append(slope)
        shifts.append(shift)
    return np.array(slopes, np.float32), np.array(shifts, np.float32)


def platt(logits: Floats, labels: Floats, weights: Floats, steps: int = 50) -> tuple[float, float]:
    """Logistic regression on one number by Newton's steps; the slope stays positive."""
    inputs = np.stack([np.clip(logits, -15, 15), np.ones_like(logits)], axis=1).astype(np.float64)
    told = np.array([1.0, 0.0])
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-inputs @ told))
        pull = inputs.T @ (weights * (labels - chance)) - 1e-3 * told
        bend = (inputs * (weights * chance * (1 - chance))[:, None]).T @ inputs + 1e-3 * np.eye(2)
        told += np.clip(np.linalg.solve(bend, pull), -1, 1)
    return max(0.05, float(told[0])), float(told[1])


def shift_for(lessons: School, unseen: Floats, slope: float) -> float:
    """The shift with which few ordinary texts of those left out reach one half."""
    sources = np.array(lessons.sources)
    for source, share in ORDINARY.items():
        if (sources == source).any():
            return float(-slope * np.quantile(unseen[sources == source, 0], 1 - share))
    return math.inf
