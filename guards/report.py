"""The classifier's figures and its card: measured on what it has not learnt from, as far as that is at hand."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from guards.detectors.classifier import ClassifierGuard
from guards.exam_sets import EXAMS, HARMLESS, VALIDATION, Case, Exam
from guards.measure import Scores, share
from guards.measuring.agreement import calibration_error, compared
from guards.models.ngram import NgramModel, load_ngram
from guards.schooling import MIXED_SOURCES, Floats, School
from guards.verdict import Where

FLAG, REFUSE = 0.5, 0.6  # the thresholds of the bundled policy
UNSAFE, ATTACK = ("G.unsafe",), ("G.unsafe", "G.jailbreak", "G.prompt_injection")
FEWEST = 90

Told = dict[str, Any]


def write_report(folder: Path, made: Mapping[str, Any], unseen: Told, data: Path | None) -> Told:
    """figures.json and MODEL_CARD.md beside the weights; returns the figures."""
    figures: Told = {
        "made": dict(made),
        "unseen_sources": unseen,
        "exams": exam_figures(load_ngram(folder), data),
    }
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    (folder / "MODEL_CARD.md").write_text(card(figures), "utf-8")
    return figures


def unseen_figures(prompts: School, logits: Floats) -> Told:
    """For each source of unsafe prompts, how well a head that never saw that source finds them."""
    sources = np.array(prompts.sources)
    known = prompts.weights[:, 0] > 0
    harmful = known & (prompts.labels[:, 0] > 0)
    told: Told = {}
    public = ~np.isin(sources, list(MIXED_SOURCES))
    for source in sorted(set(sources[harmful].tolist())):
        own = harmful & (sources == source)
        harmless = known & ~harmful & ((sources == source) if source in MIXED_SOURCES else public)
        if own.sum() >= FEWEST and harmless.sum() >= FEWEST:
            told[source] = compared(logits[own, 0].astype(float), logits[harmless, 0].astype(float))
    return told


def exam_figures(model: NgramModel, data: Path | None) -> Told:
    """What the finished classifier makes of every exam that is at hand."""
    if data is None or not (data / HARMLESS.folder).is_dir():
        return {}
    guard = ClassifierGuard("exam", model)
    harmless = scores_of(guard, HARMLESS.where, list(HARMLESS.read(data / HARMLESS.folder)))
    told: Told = {HARMLESS.name: {"flagged_harmless": share(harmless > FLAG).told()}}
    for exam in (VALIDATION, *EXAMS):
        if (data / exam.folder).is_dir():
            told[exam.name] = examined(exam, guard, list(exam.read(data / exam.folder)), harmless)
    return told


def examined(exam: Exam, guard: ClassifierGuard, cases: list[Case], harmless: Scores) -> Told:
    """One exam: separation where both kinds are there, and what the bundled thresholds make of each kind."""
    scores = scores_of(guard, exam.where, cases, ATTACK if exam.attack else UNSAFE)
    unsafe = np.array([case.unsafe for case in cases])
    fine = harmless if exam.against else scores[~unsafe]
    told: Told = {}
    if unsafe.any() and len(fine):
        told |= compared(scores[unsafe], fine)
    if unsafe.any() and (~unsafe).any():
        told["accuracy"] = share((scores > FLAG) == unsafe).told()
        told["ece"] = calibration_error(scores, unsafe).told()
    levels = {"flagged": FLAG} if exam.where == "prompt" else {"flagged": FLAG, "refused": REFUSE}
    for word, threshold in levels.items():
        if unsafe.any():
            told[f"{word}_harmful"] = share(scores[unsafe] > threshold).told()
        if (~unsafe).any():
            told[f"{word}_harmless"] = share(scores[~unsafe] > threshold).told()
    return told


def scores_of(
    guard: ClassifierGuard, where: Where, cases: list[Case], labels: Sequence[str] = UNSAFE
) -> Scores:
    """The probability that each case is unsafe, or the greatest of those asked for."""
    told = [guard.judge(case.text, where, case.asked).scores for case in cases]
    return np.array([max(scores.get(label, 0.0) for label in labels) for scores in told])


def card(figures: Told) -> str:
    """The model card, from its text and the figures."""
    text = (files("guards.models") / "card.md").read_text("utf-8")
    made = figures["made"]
    sets = (
        "\n".join(f"* {name}" for name in made["sets"])
        or "* none was found; it learnt from generated text only"
    )
    return text.format(
        sets=sets,
        prompts=f"{made['prompts']:,}",
        replies=f"{made['replies']:,}",
        seed=made["seed"],
        left_out=", ".join(f"{count} of {name}" for name, count in made["near_duplicates_left_out"].items())
        or "none",
        unseen=table(figures["unseen_sources"]),
        exams=table(figures["exams"]) if figures["exams"] else "No exam set was at hand when this was made.",
    )


def table(told: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Figures as a Markdown table: a row for each set and figure."""
    lines = ["| set | figure | value | 95 % interval | values |", "|---|---|---|---|---|"]
    for name, measured in told.items():
        for figure, one in measured.items():
            interval = f"{one['low']:.3f} to {one['high']:.3f}"
            lines.append(f"| {name} | {figure} | {one['value']:.3f} | {interval} | {one['values']} |")
    return "\n".join(lines)
