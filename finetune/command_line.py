"""What every command line of the learning loop shares: its options, its settings, and how it ends."""

import asyncio
import signal
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

PROMOTED, FAILED, WRONG, KEPT = 0, 1, 2, 3

T = TypeVar("T")
Config = Annotated[
    Path | None, typer.Option(help="trimtab.yaml to read; else TRIMTAB_CONFIG or ./trimtab.yaml.")
]
Home = Annotated[Path | None, typer.Option(help="Home directory, the one that `trimtab up` used.")]
MetricsPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Let Prometheus scrape training here; else finetune.metrics.port."),
]
Jobs = Annotated[
    int | None, typer.Option(min=1, max=256, help="Processes that make pairs; else finetune.jobs.")
]
OnRay = Annotated[
    bool, typer.Option("--ray", help="Make pairs on Ray: at finetune.jobs_on_ray, or one of this machine.")
]
RecipeFile = Annotated[
    str | None, typer.Option(help="A recipe's file, or a bundled one's name, in place of finetune.recipe.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def settled(
    config: Path | None, home: Path | None, metrics_port: int | None = None, recipe: Any = None
) -> Any:
    """The settings, with a recipe's file in place of theirs; or an exit that names what is wrong with them."""
    from finetune.settings import load_situation
    from gateway.settings import SettingsInvalid

    try:
        return load_situation(config, home, recipe.fields if recipe else None).scraped_at(metrics_port)
    except SettingsInvalid as error:
        raise complaint(str(error), WRONG) from None


def recipe_of(told: str) -> Any:
    """The recipe of a file or of a bundled name, or an exit that names what is wrong with it."""
    from finetune.errors import RecipeInvalid
    from finetune.recipes.reading import read_recipe

    try:
        return read_recipe(told)
    except RecipeInvalid as error:
        raise complaint(str(error), WRONG) from None


def obeyed(work: Awaitable[T]) -> T:
    """The result of some work; failures are told in a sentence, SIGTERM and ctrl-C end it in good order."""
    from finetune.errors import FinetuneFailed, Unready
    from gateway.ledger.contract import LedgerFailed

    try:
        return asyncio.run(interruptible(work))
    except Unready as error:
        raise complaint(str(error), WRONG) from None
    except (FinetuneFailed, LedgerFailed) as error:
        raise complaint(str(error)) from None
    except asyncio.CancelledError:
        raise complaint("stopped; the same command goes on from what is done") from None


async def interruptible(work: Awaitable[T]) -> T:
    """Cancel the work when the process is told to stop, and say so at once: a step of training may take a while."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        typer.echo("stopping after the step under way", err=True)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return await task


def complaint(message: str, code: int = FAILED) -> typer.Exit:
    """Say what is wrong, and end with the code of a failure."""
    typer.echo(message, err=True)
    return typer.Exit(code)
