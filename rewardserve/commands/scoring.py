"""Pairs from a file, scored by a model, with a bar on the terminal: what calibrating and reporting begin with."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rewardserve.commands.terminal import give_up, say

if TYPE_CHECKING:
    from rewardserve.pairs import LabelledPair
    from rewardserve.scored_pairs import ScoredPairs
    from rewardserve.scorer import Measured, Scorer


def bar() -> Progress:
    """A progress bar on stderr, which goes when all is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=say, transient=True)


def pairs_or_exit(path: Path) -> "list[LabelledPair]":
    """The pairs of a file, or a message that names line and field."""
    from rewardserve.pairs import PairsRefused, read_pairs

    try:
        return read_pairs(path)
    except PairsRefused as error:
        give_up(str(error))


def scored_or_exit(scorer: "Scorer[Measured]", pairs: "list[LabelledPair]") -> "ScoredPairs":
    """Both rewards of every pair; tells how many the model cannot read."""
    from rewardserve.errors import ScoringError
    from rewardserve.scored_pairs import score_pairs

    try:
        with bar() as shown:
            task = shown.add_task("pairs scored", total=len(pairs))
            scored = score_pairs(scorer, pairs, lambda done, _: shown.update(task, completed=done))
    except ScoringError as error:
        give_up(error.message)
    if scored.refused:
        say.print(f"{scored.refused} pairs left out: more than the model reads, or refused by its template")
    if not scored.pairs:
        give_up("none of the pairs can be scored by this model")
    return scored
