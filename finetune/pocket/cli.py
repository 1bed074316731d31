"""`trimtab pocket`: remake the pocket models, show their figures, sample from the policy."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    help="The pocket world: small models that the project makes itself.",
    no_args_is_help=True,
)

Out = Annotated[Path | None, typer.Option(help="Where the models go; by default the package's own folders.")]


@app.command()
def build(
    out: Out = None,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 7,
    tiny: Annotated[bool, typer.Option("--tiny", help="A miniature within a minute, to see it run.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as JSON and nothing else.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="Public data sets that the guard may learn from.")] = None,
) -> None:
    """Remake policy, reward model and guard classifier, and measure them (about 40 minutes on two cores)."""
    from finetune.pocket.build import FULL, MINIATURE, Folders
    from finetune.pocket.build import build as make
    from finetune.pocket.watch import Bars
    from finetune.progress import Silence

    if tiny and out is None:
        raise typer.BadParameter(
            "a miniature must not replace the shipped models: give --out", param_hint="--tiny"
        )
    folders = Folders.under(out) if out else Folders.packaged()
    scale = MINIATURE if tiny else FULL
    if as_json:
        typer.echo(json.dumps(make(folders, Silence(), seed=seed, scale=scale, data=data)))
        return
    with Bars() as bars:
        figures = make(folders, bars, seed=seed, scale=scale, data=data)
    _show(figures)


@app.command()
def figures(
    out: Out = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Show the figures that were measured when the models were made."""
    from finetune.pocket.build import Folders

    folders = Folders.under(out) if out else Folders.packaged()
    found = {
        name: json.loads((folder / "figures.json").read_text("utf-8"))
        for name, folder in (("policy", folders.policy), ("reward", folders.reward))
    }
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _show(found)


@app.command()
def sample(
    prompt: Annotated[str, typer.Argument(help="What the user says.")],
    n: Annotated[int, typer.Option("-n", help="How many answers.")] = 4,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 0,
    out: Out = None,
) -> None:
    """Sample answers of the pocket policy, each with its reward, best first."""
    from finetune.exams.contract import ExamPlan
    from finetune.pocket.build import Folders
    from finetune.pocket.reward import reward_model, rewards_of
    from finetune.train.policy import load_policy

    folders = Folders.under(out) if out else Folders.packaged()
    messages = [{"role": "user", "content": prompt}]
    policy = load_policy(str(folders.policy), None, device="cpu")
    (answers,) = policy.sample([messages], ExamPlan(samples=n, temperature=temperature), seed)
    rewards = rewards_of(reward_model(folders.reward), messages, [answer.text for answer in answers])
    for reward, answer in sorted(zip(rewards, answers, strict=True), key=lambda pair: -pair[0]):
        typer.echo(f"{reward:+6.2f}  {answer.text}{'' if answer.ended else ' …'}")


def _show(found: dict[str, dict[str, dict[str, float]]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "figure", "value", "95 % interval", "values")
    for model, told in found.items():
        for name, figure in told.items() if model in {"policy", "reward"} else ():
            interval = f"{figure['low']:.3f} to {figure['high']:.3f}" if "low" in figure else ""
            table.add_row(model, name, f"{figure['value']:.3f}", interval, str(figure.get("values", "")))
    Console().print(table)
