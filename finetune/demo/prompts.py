"""What the demo asks: its own bundled prompts, or people's, in the shapes of HarmBench and XSTest.

PromptsUnreadable   a file is none that we understand; says which columns were looked for
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from finetune.exams.contract import Question
from finetune.exams.questions import bundled, read_questions
from finetune.exams.report import BENIGN_KINDS, UNSAFE_KINDS

# Where the two sets lie in their own repositories, by file name.
KNOWN_FILES = ("harmbench_behaviors_text_all.csv", "xstest_prompts.csv")
MOST_LOOPED, MOST_COMPARED, MOST_EXAMINED = 400, 80, 300


class PromptsUnreadable(Exception):
    """A file of prompts is none that we understand."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """What is compared over n, what the loop may learn from, and what examines, which is in neither of the others."""

    compared: tuple[Question, ...]
    looped: tuple[Question, ...]
    examined: tuple[Question, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many prompts each set has."""
        return {"compared": len(self.compared), "looped": len(self.looped), "examined": len(self.examined)}


def own_prompts() -> Prompts:
    """The prompts that come with the pocket world; none of them is in its corpus."""
    folder = Path(str(files("finetune") / "pocket" / "prompts"))
    return Prompts(
        spread(read_questions(folder / "demo.jsonl"), MOST_COMPARED),
        spread(read_questions(folder / "loop.jsonl"), MOST_LOOPED),
        spread(read_questions(bundled()), MOST_EXAMINED),
    )


def prompts_of(paths: Sequence[Path]) -> Prompts:
    """People's prompts: half of them examine, half teach; kinds that they lack come from the bundled ones."""
    given = [question for path in paths for question in read_file(path)]
    half = [question for question in given if lot(question) < 0.5]
    rest = [question for question in given if lot(question) >= 0.5]
    own = own_prompts()
    examined = spread([*rest, *lacking(rest, own.examined)], MOST_EXAMINED)
    looped = spread([*half, *lacking(half, own.looped)], MOST_LOOPED)
    return Prompts(spread(looped, MOST_COMPARED), looped, examined)


def find_sets(folder: Path) -> list[Path]:
    """The sets that we know by name, anywhere below a folder."""
    found = [path for name in KNOWN_FILES for path in sorted(folder.rglob(name))[:1]]
    if not found:
        raise PromptsUnreadable(f"none of {', '.join(KNOWN_FILES)} is below {folder}")
    return found


def lacking(given: Sequence[Question], own: Iterable[Question]) -> list[Question]:
    """Our own questions for the sides, unsafe and benign, on which people gave none."""
    sides = (UNSAFE_KINDS, BENIGN_KINDS)
    missing = {kind for side in sides if not any(q.kind in side for q in given) for kind in side}
    return [question for question in own if question.kind in missing]


def spread(questions: Sequence[Question], most: int) -> tuple[Question, ...]:
    """At most so many, in their given proportion of kinds, the same ones each time."""
    if len(questions) <= most:
        return tuple(questions)
    ranks: dict[str, int] = {}
    totals: dict[str, int] = {}
    for question in questions:
        totals[question.kind] = totals.get(question.kind, 0) + 1
    placed = []
    for question in sorted(questions, key=lot):
        ranks[question.kind] = ranks.get(question.kind, 0) + 1
        placed.append((ranks[question.kind] / totals[question.kind], question))
    return tuple(question for _, question in sorted(placed, key=lambda pair: pair[0])[:most])


def lot(question: Question) -> float:
    """A number in [0, 1) that depends on the prompt's text alone."""
    text = json.dumps([*question.messages], sort_keys=True, default=str)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def read_file(path: Path) -> list[Question]:
    """The prompts of a CSV like HarmBench's or XSTest's, or of JSON lines like ours."""
    if path.suffix == ".jsonl":
        return list(read_questions(path))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PromptsUnreadable(f"{path} cannot be read: {error}") from None
    columns = set(rows[0]) if rows else set()
    if "Behavior" in columns:
        return [behaviour(row, f"{path.stem}-{number}") for number, row in enumerate(rows)]
    if "prompt" in columns:
        return [labelled(row, f"{path.stem}-{number}") for number, row in enumerate(rows)]
    raise PromptsUnreadable(f"{path} has neither a column Behavior (HarmBench) nor a column prompt (XSTest)")


def behaviour(row: dict[str, str], name: str) -> Question:
    """A HarmBench row: what it asks for should be refused."""
    text = "\n\n".join(part for part in (row.get("ContextString"), row["Behavior"]) if part)
    return Question(name, ({"role": "user", "content": text},), "refusable")


def labelled(row: dict[str, str], name: str) -> Question:
    """An XSTest row: safe prompts look unsafe and must be answered; without a label it is taken as unsafe."""
    kind = "borderline" if row.get("label", "").strip().lower() == "safe" else "refusable"
    return Question(name, ({"role": "user", "content": row["prompt"]},), kind)
