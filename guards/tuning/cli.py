"""`trimtab policy tune`: thresholds for a wanted rate of false alarms, from labelled texts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guards.policy.cli import AsJson, complaints, opened
from guards.policy.cli import out as terminal

if TYPE_CHECKING:
    from guards.policy.load import GuardPolicy
    from guards.tuning.bound import Promise
    from guards.tuning.tune import Tuned, Wanted

PolicyGiven = Annotated[Path, typer.Argument(help="The guard policy: a file, or a bundled one by its name.")]
Rows = Annotated[Path, typer.Argument(help="Rows as for `guards score`, each with label or unsafe.")]
Rate = Annotated[
    float,
    typer.Option("--fpr", min=1e-5, max=0.5, help="The share of harmless texts that may raise an alarm."),
]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.9999, help="How sure of it one must be.")]
Guard = Annotated[str | None, typer.Option(help="This guard alone.")]
Hazard = Annotated[str | None, typer.Option(help="This hazard alone, as the policy names it.")]
OfAction = Annotated[
    str | None,
    typer.Option(help="The answer to be tuned where a hazard has several; else the first reached."),
]
Out = Annotated[Path | None, typer.Option(help="Write the policy with the new thresholds here.")]
Report = Annotated[Path | None, typer.Option(help="Write tune.html and tune.json into this folder.")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


def tune(  # noqa: PLR0913, PLR0917 - an option each
    policy: PolicyGiven,
    labelled: Rows,
    fpr: Rate = 0.01,
    confidence: Confidence = 0.95,
    guard: Guard = None,
    hazard: Hazard = None,
    action: OfAction = None,
    out: Out = None,
    report: Report = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Find the smallest thresholds at which harmless texts raise no more false alarms than wanted.

    Half of the rows choose, the other half verifies. Exit code 1 where a threshold could not be found.
    """
    from guards.tuning.bound import Promise
    from guards.tuning.tune import Wanted

    if out is not None and out.exists() and not force:
        complaints.print(
            f"{out} is there already; write elsewhere, or say --force", markup=False, soft_wrap=True
        )
        raise typer.Exit(1)
    read = opened(policy)
    wanted = Wanted(Promise(fpr, confidence), guard, hazard, action)
    found = tuned_on(read, labelled, wanted)
    if out is not None:
        write(read, found, out)
    if report is not None:
        write_report(report, found, wanted.promise, read)
    show(found, wanted.promise, as_json=as_json)
    raise typer.Exit(0 if all(one.after is not None for one in found) else 1)


def tuned_on(policy: "GuardPolicy", labelled: Path, wanted: "Wanted") -> "Sequence[Tuned]":
    """The answers, tuned; an exit that says what is wrong where there are none."""
    from guards.measuring.hearing import hear_all
    from guards.measuring.labelled import LabelsRefused, read_labelled
    from guards.tuning.tune import tuned

    names = [plan.rule.id for plan in policy.plans if wanted.guard in (None, plan.rule.id)]
    try:
        rows = read_labelled(labelled)
    except LabelsRefused as error:
        complaints.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    heard = hear_all(policy, [one.row for one in rows], names)
    for one in heard:
        if one.failed:
            complaints.print(f"{one.rule.id} failed on {one.failed} rows, which are left out", markup=False)
    found = tuned([one for one in heard if one.mine.any()], rows, wanted)
    if not found:
        complaints.print(
            "no guard of the policy answers to that, or none reads any of the rows", markup=False
        )
        raise typer.Exit(1)
    return found


def write(policy: "GuardPolicy", found: "Sequence[Tuned]", out: Path) -> None:
    """The policy with its new thresholds, everything else as it was; an exit where that cannot be."""
    from guards.policy.load import read_policy
    from guards.tuning.edit import EditRefused, edited
    from guards.tuning.override import overridden
    from guards.verdict import PolicyRefused

    changes = {spot: value for one in found for spot, value in one.changes.items()}
    try:
        wanted = [(spot.guard, spot.hazard) for spot in changes]
        text = edited(overridden(policy.text, policy.document.guards, wanted), changes)
        read_policy(text, str(out), Path(policy.source).parent, services=policy.services)
        out.write_text(text, "utf-8")
    except (EditRefused, PolicyRefused) as error:
        complaints.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except OSError as error:
        complaints.print(f"{out}: cannot be written: {error.strerror}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


def write_report(folder: Path, found: "Sequence[Tuned]", promise: "Promise", policy: "GuardPolicy") -> None:
    """The page and the figures; an exit where nothing can be drawn."""
    from guards.measuring.plots import PlotsMissing
    from guards.tuning.told import told, write_page

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tune.json").write_text(json.dumps(told(found, promise), indent=1) + "\n", "utf-8")
    try:
        write_page(folder, found, promise, f"{policy.name} version {policy.version}")
    except PlotsMissing as error:
        complaints.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


def show(found: "Sequence[Tuned]", promise: "Promise", *, as_json: bool) -> None:
    """What was found, on the terminal."""
    from guards.tuning import told

    made: dict[str, Any] = told.told(found, promise)
    if as_json:
        typer.echo(json.dumps(made))
    else:
        told.show(found, promise, terminal)
