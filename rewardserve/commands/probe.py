"""`trimtab reward probe`: whether a reward model still gives what it gave."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rewardserve.commands.terminal import (
    AsJson,
    Backend,
    EnsembleFile,
    LabelIndex,
    Model,
    Url,
    give_up,
    loaded_or_exit,
    settings_or_exit,
)

if TYPE_CHECKING:
    from rewardserve.settings import RewardSettings


def probe(  # noqa: PLR0913 - a command's options are its parameters
    *,
    record: Annotated[Path | None, typer.Option(help="Write what the model gives now to this file.")] = None,
    check: Annotated[
        Path | None, typer.Option(help="Compare with this file; exit code 1 on a drift.")
    ] = None,
    probes: Annotated[
        Path | None, typer.Option(help="JSON lines: id, messages, candidates. Default: the project's own.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="In standard deviations of what was recorded.")
    ] = 0.05,
    model: Model = None,
    backend: Backend = None,
    url: Url = None,
    ensemble: EnsembleFile = None,
    label_index: LabelIndex = None,
    as_json: AsJson = False,
) -> None:
    """Record what a model gives to a frozen set of answers, or check that it still does.

    A server checks by itself, at its start and every TRIMTAB_REWARDSERVE_PROBE_SECONDS, what is in the file
    TRIMTAB_REWARDSERVE_PROBE, and tells the largest deviation as a metric.
    """
    if (record is None) == (check is None):
        give_up("say either --record FILE or --check FILE")
    named = {"model": model, "backend": backend, "url": url, "ensemble": ensemble, "label_index": label_index}
    settings = settings_or_exit(**named)
    if record is not None:
        told, well = recorded(settings, record, probes), True
    else:
        assert check is not None
        told, well = checked(settings, check, tolerance)
    if as_json:
        typer.echo(json.dumps(told))
    else:
        Console().print(told["told"], highlight=False, soft_wrap=True)
    raise typer.Exit(0 if well else 1)


def recorded(settings: "RewardSettings", out: Path, probes: Path | None) -> dict[str, object]:
    """Write the recording; what to tell of it."""
    from rewardserve import probe as probing
    from rewardserve.errors import ModelUnusable, ScoringError

    try:
        chosen = probing.own_probes()
        if probes is not None:
            chosen = probing.probes_of(probes.read_text("utf-8"), probes.name)
        made = probing.record(loaded_or_exit(settings), chosen)
    except (ModelUnusable, OSError, UnicodeDecodeError) as error:
        give_up(str(error))
    except ScoringError as error:
        give_up(error.message)
    out.write_text(json.dumps(probing.document_of(made), ensure_ascii=False) + "\n", "utf-8")
    count = sum(len(one.candidates) for one in made.probes)
    return {
        "recorded": count,
        "model": made.model,
        "told": f"{count} answers of {made.model} recorded in {out}",
    }


def checked(settings: "RewardSettings", path: Path, tolerance: float) -> tuple[dict[str, object], bool]:
    """What to tell of a check, and whether the model is what it was."""
    from rewardserve import probe as probing
    from rewardserve.errors import ModelUnusable, ScoringError

    scorer = loaded_or_exit(settings)
    try:
        before = probing.read_recorded(path, scorer.card.name)
        found = probing.drift(before, probing.record(scorer, before.probes).values)
    except ModelUnusable as error:
        give_up(str(error))
    except ScoringError as error:
        give_up(error.message)
    well = found.within(tolerance)
    word = "unchanged" if well else "DRIFTED"
    told = (
        f"{scorer.card.name} is {word}: {found.largest:.4g} standard deviations at most"
        + (f" ({found.where})" if found.where else "")
        + f", of {found.candidates} answers; tolerance {tolerance:g}"
    )
    return {"drifted": not well, "largest": found.largest, "where": found.where, "told": told}, well
