"""`trimtab finetune train` and `recipes`: one training by one file, without gate or rollout."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from finetune.command_line import AsJson, Config, Home, MetricsPort, obeyed, recipe_of, settled


def train(  # noqa: PLR0913 - a command's options are its parameters
    recipe: Annotated[str, typer.Argument(help="A recipe's file, or the name of a bundled one.")],
    *,
    data: Annotated[
        str, typer.Option(help="A .jsonl or .parquet file, a dataset's name or its beginning, or latest.")
    ] = "latest",
    config: Config = None,
    home: Home = None,
    last: Annotated[
        Path | None, typer.Option(help="Directory that `anchor: last` starts from; else what is live.")
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Make it a version that the gateway knows.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done.")
    ] = False,
    as_json: AsJson = False,
    metrics_port: MetricsPort = None,
) -> None:
    """Train once by a recipe's file, and leave a version's directory; no exam, no gate, no traffic.

    Everything is checked first. Exit code 2: the recipe, the data, the settings or an option must change, or there is
    no ledger or key yet; nothing was written. 1: it failed, or a gateway or ledger that it needs is away.
    """
    from finetune.recipes import training

    situation = settled(config, home, metrics_port, recipe_of(recipe))
    wanted = training.Wanted(data, last, register=register, dry_run=dry_run)
    obeyed(training.train(situation, wanted, as_json=as_json))


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(help="Print every field of this one, or of a file; to be changed: > mine.yaml."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the bundled recipes, one a method, or print one. Reward models have `trimtab reward train`."""
    from finetune.printing import print_json
    from finetune.recipes.reading import bundled, summary_of
    from finetune.recipes.sheet import fields_of, sheet_of

    if name is not None:
        written = recipe_of(name)
        if as_json:
            print_json({field: asdict(shown) for field, shown in fields_of(written).items()})
        else:
            typer.echo(sheet_of(written), nl=False)
        return
    told = {path.stem: summary_of(path) for path in bundled()}
    if as_json:
        print_json(told)
        return
    for each, summary in told.items():
        typer.echo(f"{each:10}{summary}")
    typer.echo("\nA reward model is trained by `trimtab reward train`.")
