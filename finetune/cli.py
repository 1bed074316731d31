"""`trimtab finetune`: from what traffic showed to a better policy, by one command or all by itself."""

from pathlib import Path
from typing import Annotated, Any

import typer

from finetune.command_line import (
    KEPT,
    PROMOTED,
    AsJson,
    Config,
    Home,
    Jobs,
    MetricsPort,
    OnRay,
    RecipeFile,
    obeyed,
    recipe_of,
    settled,
)
from finetune.pairs.cli import app as dataset
from finetune.recipes.cli import recipes, train
from finetune.rollout.cli import app as rollout

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="""The learning loop: what was flagged and ranked becomes pairs, pairs become a better policy.

    One run: read the ledger, make pairs, filter and freeze them, train (DPO with LoRA), examine the policy
    before and after on held-out prompts, hold it against the bars; only then register the new version, load
    it on every engine, move the alias to it and retire the old one. A failed gate changes nothing.

    Exit codes, of every command: 2: it cannot begin like this: a setting, a file, an option or a name must change, or
    there is no ledger or key yet; nothing was begun. 1: it failed on its way, or a part that it needs is away.""",
    epilog="Try: trimtab finetune run --dry-run, then trimtab finetune run, then trimtab finetune status.",
)
app.add_typer(rollout, name="rollout")
app.add_typer(dataset, name="dataset")
app.command()(train)
app.command()(recipes)


@app.command()
def run(  # noqa: PLR0913 - a command's options are its parameters
    *,
    config: Config = None,
    home: Home = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be learnt; change nothing.")
    ] = False,
    as_json: AsJson = False,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--new", help="Take up a failed run where it failed, or abandon what is unfinished."
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show every rule and bar in force, and stop.")
    ] = False,
    metrics_port: MetricsPort = None,
    recipe: RecipeFile = None,
    jobs: Jobs = None,
    ray: OnRay = False,
) -> None:
    """Retrain once. Exit code 0: promoted, or on its way by a rollout; 3: not promoted, with reasons; 1: it failed.

    2: it cannot begin like this, and nothing was begun. A run that was killed is gone on with at the step where
    it stopped, by the rules it began with.
    """
    from finetune import commands

    told = settled(config, home, metrics_port, recipe_of(recipe) if recipe else None)
    situation = told.made_by(jobs, on_ray=ray)
    if explain:
        commands.explain_rules(situation)
        return
    if dry_run:
        obeyed(commands.preview(situation, as_json=as_json))
        return
    how: Any = {None: "either", True: "resume", False: "new"}[resume]
    outcome = obeyed(commands.retrain_once(situation, how, as_json=as_json))
    raise typer.Exit(PROMOTED if outcome.promoted or outcome.rollout else KEPT)


@app.command()
def watch(  # noqa: PLR0913 - a command's options are its parameters
    *,
    config: Config = None,
    home: Home = None,
    every: Annotated[str, typer.Option(help="How often to look: 30s, 10m, 2h.")] = "10m",
    min_new_pairs: Annotated[
        int | None, typer.Option(min=0, help="Retrain once so many new pairs are there; else finetune.watch.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, and stop: for cron and the like.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what it would do now and why, and stop.")
    ] = False,
    metrics_port: MetricsPort = None,
) -> None:
    """Retrain by itself, when enough new pairs are there, a time has come, or rewards drift; one run at a time.

    `finetune.watch` has the schedule, quiet hours and budget (docs/learning-loop.md). Rollouts are looked at every
    ten seconds beside it, also while it trains.
    SIGTERM and ctrl-C stop it between or within steps; whoever starts next goes on where it stopped.
    """
    from finetune import watching

    situation = settled(config, home, metrics_port)
    obeyed(watching.watch(situation, seconds_of(every), min_new_pairs, once=once, explain=explain))


@app.command()
def pairs(  # noqa: PLR0913 - a command's options are its parameters
    *,
    config: Config = None,
    home: Home = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    as_json: AsJson = False,
    export: Annotated[
        Path | None, typer.Option(help="Write all of them to this file, as JSON lines.")
    ] = None,
    jobs: Jobs = None,
    ray: OnRay = False,
) -> None:
    """Show the pairs that a retraining would learn now, each with its exchange, labeller and rewards."""
    from finetune import commands

    situation = settled(config, home).made_by(jobs, on_ray=ray)
    obeyed(commands.show_pairs(situation, limit, as_json=as_json, export=export))


@app.command()
def revise(
    *,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="JSON lines with `prompt` or `messages`; else flagged exchanges that gave no pair."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many prompts, at most.")] = 256,
    constitution: Annotated[
        Path | None, typer.Option(help="A YAML file of `principles`; else the one that comes with Trimtab.")
    ] = None,
    config: Config = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Have the policy mend its own answers by a constitution; better answers become pairs of the next retraining.

    Each prompt is answered, criticised by one principle, and answered again (arXiv 2212.08073). A revision counts
    where the guards pass it, and the answer was flagged or is rewarded less. What is done is not done again.
    """
    from finetune.pairs.revise import revise as work

    obeyed(work(settled(config, home), prompts, limit, constitution, as_json=as_json))


@app.command()
def status(
    config: Config = None,
    home: Home = None,
    limit: Annotated[int, typer.Option(min=1, help="How many runs to show.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Show the latest retrainings, step by step."""
    from finetune import commands

    obeyed(commands.show_status(settled(config, home), limit, as_json=as_json))


@app.command()
def versions(config: Config = None, home: Home = None, as_json: AsJson = False) -> None:
    """List every version with its state, its share of traffic and its parent."""
    from finetune.story import commands

    obeyed(commands.show_versions(settled(config, home), as_json=as_json))


@app.command()
def explain(
    version: Annotated[str, typer.Argument(help="As `trimtab finetune versions` lists it.")],
    config: Config = None,
    home: Home = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the story as one HTML page, plots included.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell the story of a version: data, training, exams, gate, what traffic made of it, and who moved it."""
    from finetune.story import commands

    obeyed(commands.explain(settled(config, home), version, html, as_json=as_json))


@app.command()
def exam(
    config: Config = None,
    home: Home = None,
    adapter: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A directory to examine too, and to compare."),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help='JSON lines: {"id": …, "kind": "refusable", "benign" or "borderline", "messages": […]} '
            "(docs/gate.md); else the bundled exam."
        ),
    ] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Answers to each prompt.")] = None,
    as_json: AsJson = False,
) -> None:
    """Examine the bare policy: unsafe compliance, benign refusals and reward, with intervals."""
    from finetune import commands

    changes = {"prompts": prompts, "samples": samples}
    told = {name: value for name, value in changes.items() if value is not None}
    obeyed(commands.hold_exam(settled(config, home), adapter, told, as_json=as_json))


def seconds_of(text: str) -> float:
    """10m, 30s, 2h or plain seconds, as seconds."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise typer.BadParameter(f"{text!r} is no length of time; write 30s, 10m or 2h", param_hint="--every")
    return seconds
