"""`trimtab reward calibrate`: a map from a model's rewards to chances of winning, from labelled pairs."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from rewardserve.calibrate import Calibrated


class LengthRule(StrEnum):
    """Whether what length alone earns is taken off."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


def calibrate(  # noqa: PLR0913 - a command's options are its parameters
    *,
    pairs: PairsFile,
    out: Annotated[Path, typer.Option(help="Where the calibration is written, as JSON.")],
    length: Annotated[
        LengthRule, typer.Option(help="Take off what length earns; auto does where held-out pairs agree.")
    ] = LengthRule.AUTO,
    model: Model = None,
    backend: Backend = None,
    url: Url = None,
    ensemble: EnsembleFile = None,
    label_index: LabelIndex = None,
    as_json: AsJson = False,
) -> None:
    """Fit rewards to labelled pairs: their scale, what length earns, and the chance of winning.

    Serve the result with `trimtab reward serve --calibration FILE`, or TRIMTAB_REWARDSERVE_CALIBRATION.
    """
    from rewardserve.calibrate import CannotCalibrate, document_of
    from rewardserve.calibrate import calibrate as fitted

    read = pairs_or_exit(pairs)
    named = {"model": model, "backend": backend, "url": url, "ensemble": ensemble, "label_index": label_index}
    settings = settings_or_exit(**named).model_copy(update={"calibration": None})
    scorer = loaded_or_exit(settings)
    scored = scored_or_exit(scorer, read)
    try:
        made = fitted(scorer.card.name, scored.pairs, length.value)
    except CannotCalibrate as error:
        give_up(str(error))
    document = document_of(made)
    out.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    if as_json:
        typer.echo(json.dumps(document))
    else:
        Console().print(table_of(made))


def table_of(made: "Calibrated") -> Table:
    """The figures, and what was fitted."""
    one = made.calibration
    removed = "is taken off" if one.length else "is left"
    table = Table(
        title=f"{one.model}: {one.scale:.3f} nats a unit, zero at {one.zero:.3f}; what length earns {removed}",
        title_justify="left",
    )
    for head in ("figure", "value", "95 % interval", "values"):
        table.add_column(head, justify="left" if head == "figure" else "right")
    for name, figure in made.figures.items():
        interval = f"{figure.low:.3f} to {figure.high:.3f}"
        table.add_row(name.replace("_", " "), f"{figure.value:.3f}", interval, str(figure.values))
    return table
