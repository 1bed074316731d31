"""`trimtab reward report`: how well a reward model tells better answers from worse ones."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from rewardserve.commands.scoring import pairs_or_exit, scored_or_exit
from rewardserve.commands.terminal import (
    AsJson,
    Backend,
    EnsembleFile,
    LabelIndex,
    Model,
    PairsFile,
    Url,
    give_up,
    loaded_or_exit,
    settings_or_exit,
)


def report(  # noqa: PLR0913 - a command's options are its parameters
    *,
    pairs: PairsFile,
    out: Annotated[
        Path | None, typer.Option(help="Write report.html and report.json into this folder.")
    ] = None,
    model: Model = None,
    backend: Backend = None,
    url: Url = None,
    ensemble: EnsembleFile = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Measure the model behind this calibration.")
    ] = None,
    label_index: LabelIndex = None,
    as_json: AsJson = False,
) -> None:
    """Measure a reward model on labelled pairs: accuracy by subset and on pairs of one length, with intervals."""
    from rewardserve.reporting.card import told

    read = pairs_or_exit(pairs)
    settings = settings_or_exit(
        model=model,
        backend=backend,
        url=url,
        ensemble=ensemble,
        calibration=calibration,
        label_index=label_index,
    )
    scorer = loaded_or_exit(settings)
    scored = scored_or_exit(scorer, read)
    made = told(scorer.card.name, scored.pairs, scored.refused)
    if out is not None:
        write(out, made, scored.pairs)
    if as_json:
        typer.echo(json.dumps(made))
    else:
        Console().print(table_of(made))


def write(out: Path, made: dict[str, Any], scored: Any) -> None:
    """Both files; the page is left out, with a reason, where nothing can draw."""
    from rewardserve.reporting.page import page_of
    from rewardserve.reporting.plots import PlotsMissing

    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    try:
        (out / "report.html").write_text(page_of(made, scored), "utf-8")
    except PlotsMissing as error:
        give_up(str(error))


def table_of(made: dict[str, Any]) -> Table:
    """The figures as people read them."""
    from rewardserve.reporting.page import HEAD, rows_of

    table = Table(title=f"{made['model']} on {made['pairs']} pairs", title_justify="left")
    for place, head in enumerate(HEAD):
        table.add_column(head, justify="left" if place < 2 else "right")
    for row in rows_of(made):
        table.add_row(*row)
    return table
