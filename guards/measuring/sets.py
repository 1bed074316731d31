"""The sets that lie in a folder: public ones that no guard of ours has learnt from, and anybody's own."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from guards.exam_sets import EXAMS, HARMLESS, VALIDATION, Case, Exam
from guards.measuring.labelled import Labelled, LabelsRefused, read_labelled
from guards.public_sets import found_sets
from guards.scoring.rows import Row
from guards.verdict import Context, Segment

CHOSEN_ON = "the bundled policy's thresholds were chosen on it"


@dataclass(frozen=True, slots=True)
class MeasuredSet:
    """Labelled rows; `against` says that the harmless instructions stand in for harmless rows of its own."""

    name: str
    rows: Sequence[Labelled]
    against: bool = False
    remark: str = ""


@dataclass(slots=True)
class Found:
    """What a folder holds: sets, those that it lacks with the reason, and those that are left out."""

    sets: list[MeasuredSet] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    learnt: tuple[str, ...] = ()  # public sets of whose training parts the bundled classifier was made


def sets_in(folder: Path, limit: int | None = None) -> Found:
    """All that can be measured on; with a limit, so many rows of each, drawn by lot."""
    found = Found(learnt=tuple(one.name for one in found_sets(folder)))
    for exam in (HARMLESS, VALIDATION, *EXAMS):
        if not (folder / exam.folder).is_dir():
            found.skipped[exam.name] = f"there is no folder {exam.folder}"
            continue
        try:
            rows = [labelled_case(exam, case) for case in exam.read(folder / exam.folder)]
        except (OSError, KeyError, ValueError) as error:
            found.skipped[exam.name] = f"{exam.folder} cannot be read: {type(error).__name__}"
            continue
        remark = CHOSEN_ON if exam is VALIDATION else ""
        found.sets.append(MeasuredSet(exam.name, drawn(rows, limit), exam.against, remark))
    for file in sorted(folder.glob("*.jsonl")):
        try:
            found.sets.append(MeasuredSet(file.stem, drawn(read_labelled(file), limit)))
        except LabelsRefused as error:
            found.skipped[file.stem] = str(error)
    return found


def labelled_case(exam: Exam, case: Case) -> Labelled:
    """A case of an exam as a labelled row."""
    context = Context((("user", case.asked),) if case.asked else ())
    return Labelled(Row("", (Segment(case.text, exam.where),), context, {}), case.unsafe)


def drawn(rows: list[Labelled], limit: int | None) -> list[Labelled]:
    """So many of the rows, always the same."""
    if limit is None or len(rows) <= limit:
        return rows
    return sorted(rows, key=lot)[:limit]


def lot(one: Labelled) -> bytes:
    """What decides which rows are drawn."""
    told = "\0".join(segment.text for segment in one.row.segments)
    return hashlib.sha256(told.encode(errors="surrogatepass")).digest()
