"""`trimtab strength`: how far selection may lean on a reward model, from answers that a trusted one scored as well."""

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Find how strong selection may be before it chooses what only the reward model likes.\n\n"
    'A row of the data is {"prompt": ID, "proxy": [...], "gold": [...]}: of answers that the policy alone gave to one '
    "prompt, the rewards of the model that selects and those of one that is trusted more.",
    epilog="Try: trimtab strength fit --data answers.jsonl --out strength.json, trimtab strength show strength.json, "
    "and alignment.strength: {assistant: strength.json} in trimtab.yaml.",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command()
def fit(
    data: Annotated[Path, typer.Option(help="JSON lines, a prompt's answers each.")],
    out: Annotated[Path, typer.Option(help="Where the curve goes.")],
    alias: Annotated[str, typer.Option(help="The alias that it is of.")] = "assistant",
    as_json: AsJson = False,
) -> None:
    """Fit a curve: the caps of n, mu and temperature, each with its interval, and Gao's law."""
    from gateway.strength.answers import AnswersInvalid, read_answers
    from gateway.strength.fit import fitted_curve

    try:
        curve = fitted_curve(*read_answers(data), alias)
        out.write_text(curve.model_dump_json(indent=1) + "\n")
    except AnswersInvalid as error:
        fail(str(error))
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}")
    tell(out, as_json=as_json)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A curve, as `trimtab strength fit` wrote it.")],
    plot: Annotated[Path | None, typer.Option(help="Draw it, too: to a .png or .svg file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a curve: what is capped, and what best-of-n earns at each n."""
    tell(file, as_json=as_json)
    if plot is not None:
        from gateway.strength.curve import load_curve
        from gateway.strength.plot import draw

        try:
            draw(load_curve(file), plot)
        except ImportError:
            fail("drawing needs matplotlib: pip install 'trimtab[finetune]'")
        except (OSError, ValueError) as error:
            fail(f"{plot} cannot be drawn: {error}")


def tell(file: Path, *, as_json: bool) -> None:
    """A curve on standard output."""
    from gateway.strength.curve import CurveInvalid, load_curve
    from gateway.strength.table import table_of

    try:
        curve = load_curve(file)
    except CurveInvalid as error:
        fail(str(error))
    typer.echo(json.dumps(curve.model_dump(mode="json")) if as_json else table_of(curve))


def fail(told: str) -> NoReturn:
    """End with a sentence."""
    typer.echo(f"trimtab strength: {told}", err=True)
    raise typer.Exit(1)
