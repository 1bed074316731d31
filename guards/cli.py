"""`trimtab guards`: screen a text from the terminal, and look after guard policies."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from guards.measuring.cli import report
from guards.policy.cli import PolicyFile, ServicesAt, known_services, opened
from guards.scoring.cli import score

if TYPE_CHECKING:
    from guards.verdict import Screening

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Screen text, measure guards, and train the classifier.",
)
out = Console(highlight=False)

SIDES = ("prompt", "reply")
app.command()(score)
app.command()(report)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.command()
def check(
    text: Annotated[str, typer.Argument(help="The text to screen, or - to read it from standard input.")],
    policy: PolicyFile = None,
    where: Annotated[str, typer.Option(help="prompt or reply: on which side the text stands.")] = "prompt",
    service: ServicesAt = None,
    asked: Annotated[str, typer.Option(help="The request, when the text is a reply to one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Screen a text, and show what every guard said and what follows. Exit code 3 when it may not pass."""
    from guards.screen import Screen
    from guards.verdict import Context, Segment

    if where not in SIDES:
        raise typer.BadParameter(f"{where!r} is neither prompt nor reply", param_hint="--where")
    services = known_services(service)
    screen = Screen(opened(policy, services))
    segment = Segment(sys.stdin.read() if text == "-" else text, "prompt" if where == "prompt" else "reply")
    context = Context((("user", asked),) if asked else ())
    screening = asyncio.run(services.during(screen.screen([segment], context)))
    if as_json:
        typer.echo(json.dumps(told(screening), ensure_ascii=False))
    else:
        show_screening(screening)
    raise typer.Exit(3 if screening.withheld else 0)


@app.command()
def spans(
    data: Annotated[
        Path,
        typer.Option(envvar="TRIMTAB_DATA", help="The folder in which public sets lie, each in its own."),
    ],
    as_json: AsJson = False,
) -> None:
    """Measure how exactly the bundled patterns mark personal data, on the test part of public texts."""
    from guards.span_measure import of_bundled

    figures = of_bundled(data)
    if not figures:
        raise typer.BadParameter(f"{data} has no presidio-research-pii", param_hint="--data")
    if as_json:
        typer.echo(json.dumps(figures))
        return
    table = Table("spans", "type", "precision", "recall", "F1", "marked", box=None, padding=(0, 2, 0, 0))
    for matching, types in figures.items():
        for kind, one in types.items():
            cells = [f"{x['value']:.3f} ({x['low']:.3f}–{x['high']:.3f})" for x in one.values()]
            table.add_row(matching, kind, *cells, str(one["f1"]["values"]))
    out.print(table)


def told(screening: "Screening") -> dict[str, Any]:
    """A screening as JSON has it."""
    from guards.scoring.told import spans_told

    return {
        "action": screening.action.word,
        "text": screening.text,
        "hazards": screening.hazards,
        "findings": [
            {
                "guard": one.guard,
                "hazard": one.hazard,
                "probability": one.probability,
                "action": one.action.word,
            }
            for one in screening.findings
        ],
        "failures": [
            {"guard": one.guard, "reason": one.reason, "action": one.action.word}
            for one in screening.failures
        ],
        "verdicts": [
            {
                "guard": one.guard,
                "scores": dict(one.scores),
                "spans": spans_told(one),
                "latency_seconds": one.latency_seconds,
            }
            for one in screening.verdicts
        ],
        "scanned_bytes": screening.scanned_bytes,
        "latency_seconds": screening.latency_seconds,
    }


def show_screening(screening: "Screening") -> None:
    """A table of verdicts, then the action and the text as it may be delivered."""
    table = Table("guard", "hazard", "probability", "action", "found", box=None, padding=(0, 2, 0, 0))
    actions = {(one.guard, one.hazard): one.action.word for one in screening.findings}
    for verdict in screening.verdicts:
        for hazard, probability in sorted(verdict.scores.items(), key=lambda item: -item[1])[:4]:
            spans = ", ".join(f"{s.label} {s.start}–{s.end}" for s in verdict.spans if s.hazard == hazard)
            table.add_row(
                verdict.guard, hazard, f"{probability:.3f}", actions.get((verdict.guard, hazard), ""), spans
            )
    for failure in screening.failures:
        table.add_row(failure.guard, "failed", "", failure.action.word, failure.reason)
    if table.row_count:
        out.print(table)
    ms = screening.latency_seconds * 1000
    out.print(f"action: {screening.action.word} ({screening.scanned_bytes} bytes scanned in {ms:.1f} ms)")
    if not screening.withheld:
        out.print(screening.text, markup=False)
