"""How exactly patterns mark what they should: precision, recall and F1 of spans, with intervals by template."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from guards.detectors.lists import PatternConfig
from guards.detectors.patterns import Patterns
from guards.measure import RESAMPLES, Figure
from guards.span_sets import FOLDER, LABELS_OF_TYPE, Marked, MarkedText, marked_texts
from guards.verdict import Span

Matching = Literal["exact", "overlap"]
Counts = NDArray[np.int64]  # rightly marked, wrongly marked, missed
Find = Callable[[str], Iterable[Span]]
EVERY_TYPE = "all"
BUNDLED_SETS = ("secrets", "personal", "contacts")


@dataclass(frozen=True, slots=True)
class Marking:
    """How well one type is marked."""

    precision: Figure
    recall: Figure
    f1: Figure

    def told(self) -> dict[str, dict[str, float]]:
        """As JSON has it."""
        return {
            "precision": self.precision.told(),
            "recall": self.recall.told(),
            "f1": self.f1.told(),
        }


def of_bundled(data: Path) -> dict[Matching, dict[str, dict[str, dict[str, float]]]]:
    """What the bundled sets make of the test texts under a folder, by matching, type and figure."""
    if not (data / FOLDER).is_dir():
        return {}
    guard = Patterns().build("measured", PatternConfig(sets=BUNDLED_SETS))
    texts = list(marked_texts(data / FOLDER, "test"))
    ways: tuple[Matching, Matching] = ("exact", "overlap")
    return {
        way: {
            kind: one.told()
            for kind, one in measured(texts, lambda text: guard.judge(text).spans, way).items()
        }
        for way in ways
    }


def measured(texts: Sequence[MarkedText], find: Find, matching: Matching) -> Mapping[str, Marking]:
    """Per type, and for all together, what a finder makes of the texts."""
    templates = sorted({text.template for text in texts})
    place = {template: number for number, template in enumerate(templates)}
    types = list(LABELS_OF_TYPE)
    counts = np.zeros((len(types) + 1, len(templates), 3), np.int64)
    for text in texts:
        found = of_types(find(text.text))
        for number, kind in enumerate(types):
            counts[number, place[text.template]] += tally(text.marks, found, kind, matching)
    counts[-1] = counts[:-1].sum(axis=0)
    return {kind: marking_of(counts[number]) for number, kind in enumerate([*types, EVERY_TYPE])}


def of_types(spans: Iterable[Span]) -> list[Marked]:
    """What was found, in the set's words; two patterns of one type at one place count once."""
    found = {
        Marked(span.start, span.end, kind)
        for span in spans
        for kind, labels in LABELS_OF_TYPE.items()
        if span.label in labels
    }
    outer = [one for one in found if not any(holds(other, one) for other in found)]
    return sorted(outer, key=lambda one: one.start)


def holds(outer: Marked, inner: Marked) -> bool:
    """Whether a mark of the same type lies around another."""
    wider = outer.start <= inner.start and inner.end <= outer.end
    return wider and outer != inner and outer.type == inner.type


def tally(marks: Iterable[Marked], found: Iterable[Marked], kind: str, matching: Matching) -> Counts:
    """Rightly marked, wrongly marked and missed, of one type; each mark is matched by one find at most."""
    open_marks = [one for one in marks if one.type == kind]
    wanted, right, wrong = len(open_marks), 0, 0
    for one in (each for each in found if each.type == kind):
        match = next((mark for mark in open_marks if matches(mark, one, matching)), None)
        if match is None:
            wrong += 1
        else:
            open_marks.remove(match)
            right += 1
    return np.array([right, wrong, wanted - right])


def matches(mark: Marked, found: Marked, matching: Matching) -> bool:
    """Whether it is the same place, or for `overlap` shares a character."""
    if matching == "exact":
        return (mark.start, mark.end) == (found.start, found.end)
    return mark.start < found.end and found.start < mark.end


def marking_of(by_template: Counts, seed: int = 0) -> Marking:
    """The figures of one type; for their intervals whole templates are drawn again."""
    rng = np.random.default_rng(seed)
    size = len(by_template)
    drawn = np.array([by_template[rng.integers(0, size, size)].sum(axis=0) for _ in range(RESAMPLES)])
    whole = by_template.sum(axis=0)
    values = int(whole[0] + whole[2])
    figures = []
    for value, samples in zip(rates(whole), rates(drawn.T), strict=True):
        known = samples[~np.isnan(samples)]
        low, high = np.quantile(known, [0.025, 0.975]) if known.size else (np.nan, np.nan)
        figures.append(Figure(float(value), float(low), float(high), values))
    return Marking(*figures)


def rates(counts: Counts) -> tuple[NDArray[np.float64], ...]:
    """Precision, recall and F1 of counts whose first axis is right, wrong, missed."""
    right, wrong, missed = counts.astype(float)
    with np.errstate(invalid="ignore"):
        return (
            np.asarray(right / (right + wrong)),
            np.asarray(right / (right + missed)),
            np.asarray(2 * right / (2 * right + wrong + missed)),
        )
