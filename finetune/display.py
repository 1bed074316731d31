"""Progress and results for people, on the screen."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from finetune.exams.condition import Condition, points
from finetune.exams.intervals import Estimate
from finetune.exams.report import Comparison, Report
from finetune.history import RunSeen
from finetune.lines import Lines
from finetune.pairs.pair import Pair
from finetune.retrain import Outcome
from finetune.rollout.advice import WHERE, advice_on

CUT = 60  # characters of a text that a table shows


class Screen:
    """Progress as a line per step that is done and a bar for the one under way; it is a context manager.

    Where there is no terminal to draw a bar on, lines tell how far a step is.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines = (
            None
            if console.is_terminal
            else Lines(partial(console.print, markup=False, highlight=False, soft_wrap=True))
        )
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[told]}"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, told="", visible=False)

    def __enter__(self) -> "Screen":
        if self._lines is None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lines is None:
            self._bar.stop()

    def began(self, step: str) -> None:
        """Show a bar for the step."""
        if self._lines is not None:
            self._lines.began(step)
            return
        self._bar.reset(self._task, description=step, total=None, told="", visible=True)

    def ended(self, step: str, told: str, *, again: bool = False) -> None:
        """Leave a line about the step."""
        # Refreshed at once: else the line below would have the bar drawn once more, after it.
        self._bar.update(self._task, visible=False, refresh=True)
        mark = "[cyan]•[/] done before:" if again else "[green]✓[/]"
        self._console.print(f"{mark} [bold]{step}[/]  {escape(told)}")

    def advanced(self, done: int, total: int, told: str = "") -> None:
        """Move the bar."""
        if self._lines is not None:
            self._lines.advanced(done, total, told)
            return
        self._bar.update(self._task, completed=done, total=total, told=told, visible=True)

    def measured(self, figures: Mapping[str, float]) -> None:
        """The bar has room for what `advanced` tells alone."""
        if self._lines is not None:
            self._lines.measured(figures)


def print_outcome(console: Console, outcome: Outcome, codes: Sequence[str] = ()) -> None:
    """How a run ended; what to try is told by the codes of the gate's conditions that do not hold."""
    if outcome.promoted:
        console.print(f"[bold green]promoted[/]: {outcome.version} is live  (run {outcome.run})")
        return
    if outcome.rollout is not None:
        console.print(f"[bold green]on its way[/]: {outcome.version} passed its gate  (run {outcome.run})")
        goes_on = "`trimtab finetune watch` moves it on; `trimtab finetune rollout show` says how it does"
        console.print(f"  rollout {outcome.rollout}: {goes_on}", highlight=False)
        return
    console.print(f"[bold yellow]not promoted[/], traffic is as it was  (run {outcome.run})")
    for reason in outcome.reasons:
        console.print(f"  [yellow]✗[/] {escape(reason)}", highlight=False)
    if advice := advice_on(codes):
        console.print(f"What to try ({WHERE}):", highlight=False)
    for line in advice:
        console.print(f"  {escape(line)}", highlight=False)
    if codes:
        console.print(f"All that was measured: `trimtab finetune explain {outcome.run}`", highlight=False)


def print_pairs(console: Console, pairs: Sequence[Pair], title: str) -> None:
    """Pairs with where they come from."""
    table = Table(title=title, title_justify="left")
    table.add_column("pair", no_wrap=True)
    for column in ("prompt", "chosen", "rejected"):
        table.add_column(column, ratio=1)
    for pair in pairs:
        source = pair.provenance
        rewards = f"{figure(source.reward_chosen)} > {figure(source.reward_rejected)}"
        told = (pair.kind, source.labelled_by, source.hazard, rewards, source.version, source.exchange_id)
        texts = (escape(cut(text)) for text in (pair.prompt, pair.chosen, pair.rejected))
        table.add_row(escape("\n".join(filter(None, told))), *texts, end_section=True)
    console.print(table)


def print_preview(console: Console, told: Mapping[str, Any], warnings: Sequence[str] = ()) -> None:
    """What a retraining would learn, in figures; of what was left out, what took anything."""
    table = Table(show_header=False)
    for name, value in told.items():
        if isinstance(value, Mapping):
            for reason, count in value.items():
                if count:
                    table.add_row(f"{name.replace('_', ' ')}: {reason}", str(count))
        else:
            table.add_row(f"[bold]{name.replace('_', ' ')}[/]", told_as(value))
    console.print(table)
    print_warnings(console, warnings)


def told_as(value: bool | int | str) -> str:
    """A figure, a yes or no, or words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:,}"


def print_warnings(console: Console, warnings: Sequence[str]) -> None:
    """What somebody should look at, a line each."""
    for line in warnings:
        console.print(f"[yellow]![/] {escape(line)}", highlight=False)


def print_history(console: Console, runs: Sequence[RunSeen]) -> None:
    """Runs and their steps, the latest first; a run has a table of its own, so that a narrow screen has room."""
    if not runs:
        console.print("There was no retraining yet; `trimtab finetune run` begins one.")
    for run in runs:
        state = "stopped; the next `run` goes on" if run.stopped else run.state
        console.print(f"[bold]{run.id}[/]  [bold]{state}[/]", highlight=False)
        for line in (f"held by {run.owner}",) if run.alive else run.reasons:
            console.print(f"  {escape(line)}", highlight=False)
        table = Table()
        for column in ("state", "step", "took", "result"):
            table.add_column(column, overflow="fold")
        for step in run.steps:
            state = "stopped" if run.stopped and step.state == "started" else step.state
            took = f"{step.seconds:.1f} s" if step.seconds is not None else ""
            table.add_row(state, step.step, took, escape(step.told))
        console.print(table)


def print_exam(console: Console, report: Report | Comparison) -> None:
    """An exam's figures with their 95 % intervals; of two policies also the differences."""
    table = Table(
        title="Exam of the bare policy (no guards, no choosing); 95 % intervals", title_justify="left"
    )
    both = isinstance(report, Comparison)
    for column in ("figure", "before", "after", "difference") if both else ("figure", "value"):
        table.add_column(column)
    for name, *cells in exam_rows(report):
        table.add_row(name, *cells)
    console.print(table)
    told = report.before if isinstance(report, Comparison) else report
    console.print(
        f"[dim]{told.unsafe_compliance.method}; rewards are not independent of the training labels[/]"
    )


def print_conditions(console: Console, conditions: Sequence[Condition]) -> None:
    """What further exams ask of a version: one table, with the code of each requirement."""
    if not conditions:
        return
    table = Table(title="Further exams", title_justify="left")
    for column in ("holds", "requirement", "code", "measured"):
        table.add_column(column)
    for one in conditions:
        table.add_row("yes" if one.passed else "[red]no[/]", one.name, one.reason, escape(one.told))
    console.print(table)


def exam_rows(report: Report | Comparison) -> list[list[str]]:
    """The figures as text."""
    if isinstance(report, Report):
        return [[name, told] for name, told in cells_of(report).items()]
    before, after = cells_of(report.before), cells_of(report.after)
    changes = {
        "unsafe compliance": change(report.unsafe_compliance),
        "benign refusals": change(report.benign_refusal),
        "answers that end": change(report.ended),
        "words to benign prompts": f"x {report.length_ratio:.2f}",
        "mean reward": value(report.reward) if report.reward else "",
    }
    return [[name, before[name], after[name], changes[name]] for name in before]


def cells_of(report: Report) -> dict[str, str]:
    """One policy's figures as text."""
    return {
        "unsafe compliance": rate(report.unsafe_compliance),
        "benign refusals": rate(report.benign_refusal),
        "answers that end": rate(report.ended),
        "words to benign prompts": f"{report.benign_length.value:.1f}",
        "mean reward": value(report.reward) if report.reward else "not measured",
    }


def rate(found: Estimate) -> str:
    """A rate in percent with its interval."""
    return f"{found.value:.1%} [{found.low:.1%}, {found.high:.1%}]" if found.values else "not measured"


def value(found: Estimate) -> str:
    """A figure with its interval."""
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def change(found: Estimate) -> str:
    """A difference of rates in points with its interval."""
    if not found.values:
        return ""
    return f"{points(found.value)} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def figure(found: float | None) -> str:
    """A reward, or that there was none."""
    return "none" if found is None else f"{found:+.2f}"


def cut(text: str) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= CUT else line[: CUT - 1] + "…"
