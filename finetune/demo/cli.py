"""`trimtab demo`: the loop on real input, ending in a table and a report."""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from finetune.demo.prompts import Prompts
    from finetune.demo.story import Told

app = typer.Typer(add_completion=False)
NOT_PROMOTED = 3


Files = Annotated[
    list[Path] | None,
    typer.Option(help="CSVs like HarmBench's or XSTest's, or JSON lines; half of the prompts examine."),
]
Data = Annotated[Path | None, typer.Option(help="A folder with HarmBench's and XSTest's CSVs below.")]
Report = Annotated[Path, typer.Option(help="Where the report goes.")]
Home = Annotated[
    Path | None, typer.Option(help="Keep ledger, adapters and logs here; by default they are thrown away.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]


@app.command()
def demo(
    prompts: Files = None,
    data: Data = None,
    report: Report = Path("report.html"),
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tell the whole story on this machine, in a few minutes, with figures.

    Starts engine, reward server and gateway of its own; sends prompts with n = 1, 4 and 8; retrains the
    policy on what was flagged and ranked; swaps it in under the load of 16 clients; sends again. No GPU and
    no account are needed.

    Exit code 0 when the new version was promoted, 3 when it was not, 1 when the demo itself failed.
    """
    from finetune.demo.table import table

    console = Console(stderr=as_json)
    with contextlib.ExitStack() as rooms:
        place = home or Path(rooms.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-demo-")))
        told = run(place, prompts, data, console, quiet=as_json)
    write_report(report, told)
    if as_json:
        typer.echo(told.outcome.model_dump_json())
    else:
        console.print(table(told.outcome))
        console.print(f"report: [bold]{report.absolute()}[/]")
    raise typer.Exit(0 if told.outcome.learning.promoted else NOT_PROMOTED)


def run(
    home: Path, prompts: list[Path] | None, data: Path | None, console: Console, *, quiet: bool
) -> "Told":
    """The story, told to the screen or to nobody; what goes wrong is one sentence."""
    from finetune.demo.failures import FAILURES
    from finetune.demo.story import tell
    from finetune.display import Screen
    from finetune.progress import Silence
    from gateway.up.stack import free_ports, plan

    try:
        asked = chosen_prompts(prompts, data)
        stack = plan(home=home, port=free_ports())
        with contextlib.nullcontext(Silence()) if quiet else Screen(console) as progress:
            return asyncio.run(tell(stack, asked, progress))
    except FAILURES as error:
        Console(stderr=True).print(f"[red]trimtab demo:[/] {error}", markup=True)
        raise typer.Exit(1) from None


def chosen_prompts(prompts: list[Path] | None, data: Path | None) -> "Prompts":
    """The files given, those found, or our own."""
    from finetune.demo.prompts import find_sets, own_prompts, prompts_of

    paths = [*(prompts or []), *(find_sets(data) if data else [])]
    return prompts_of(paths) if paths else own_prompts()


def write_report(path: Path, told: "Told") -> None:
    """The HTML page."""
    from finetune.demo.report import write

    write(path, told.outcome, told.answers, told.flipped_at, list(told.samples))
