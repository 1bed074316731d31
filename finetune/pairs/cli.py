"""`trimtab finetune dataset`: frozen datasets, what they hold, and how other tools get them."""

from pathlib import Path
from typing import Annotated

import typer

from finetune.command_line import AsJson, Config, Home, obeyed, settled

app = typer.Typer(
    no_args_is_help=True,
    help="""Frozen datasets of preference pairs: list them, see what they hold, export them.

    Each retraining freezes one, named by its SHA-256. One that holds something that was erased since is kept as a
    name and a count alone: its file is removed, and nothing is trained on it.""",
)
Which = Annotated[str, typer.Argument(metavar="dataset", help="Its name, the beginning of it, or latest.")]


@app.command("list")
def list_(
    config: Config = None,
    home: Home = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the latest datasets."""
    from finetune.pairs import commands

    obeyed(commands.show_all(settled(config, home), limit, as_json=as_json))


@app.command()
def show(which: Which, config: Config = None, home: Home = None, as_json: AsJson = False) -> None:
    """Show what one holds, by kind, source and hazard, and what each filter took."""
    from finetune.pairs import commands

    obeyed(commands.show_one(settled(config, home), which, as_json=as_json))


@app.command()
def export(
    which: Which,
    to: Annotated[Path, typer.Option(help="A folder to write data.parquet and README.md into.")],
    config: Config = None,
    home: Home = None,
) -> None:
    """Write one as parquet in TRL's columns, with a dataset card; `datasets.load_dataset` reads the folder."""
    from finetune.pairs import commands

    obeyed(commands.export_one(settled(config, home), which, to))


@app.command()
def thumbs(config: Config = None, home: Home = None, as_json: AsJson = False) -> None:
    """Freeze users' thumbs as a dataset of their own: answers that are good or bad by themselves, for method kto."""
    from finetune.pairs import commands

    obeyed(commands.freeze_thumbs(settled(config, home), as_json=as_json))


@app.command()
def sweep(config: Config = None, home: Home = None) -> None:
    """Remove files that hold something erased, or that nothing needs any more; `watch` and `run` do this too."""
    from finetune.pairs import commands

    obeyed(commands.sweep_all(settled(config, home)))
