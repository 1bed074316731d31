"""`trimtab finetune rollout`: new versions on their way into traffic, looked at and steered."""

from typing import Annotated

import typer

from finetune.command_line import AsJson, Config, Home, obeyed, settled

app = typer.Typer(
    no_args_is_help=True,
    help="""New versions on their way into traffic: shadow, canary, live, or rolled back.

    A version that has passed its gate is shown copies of requests first, then answers a growing share of
    conversations. After every pair of outcomes a sequential test says whether it does worse: then it is rolled
    back. `trimtab finetune watch` moves rollouts by itself; by hand you may pause, promote or roll back.""",
)
Id = Annotated[str, typer.Argument(metavar="rollout", help="As `trimtab finetune rollout list` shows it.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for the audit trail.")]


@app.command("list")
def list_(
    config: Config = None,
    home: Home = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the latest rollouts."""
    from finetune.rollout import commands

    obeyed(commands.show_all(settled(config, home), limit, as_json=as_json))


@app.command()
def show(rollout: Id, config: Config = None, home: Home = None, as_json: AsJson = False) -> None:
    """Show one: where it stands, what each test has seen, and what is still missing."""
    from finetune.rollout import commands

    obeyed(commands.show_one(settled(config, home), rollout, as_json=as_json))


@app.command()
def watch(
    config: Config = None,
    home: Home = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, and stop.")] = False,
) -> None:
    """Move rollouts on as their evidence allows; `trimtab finetune watch` does this too."""
    from finetune.rollout import commands

    obeyed(commands.watch(settled(config, home), every, once=once))


@app.command()
def pause(rollout: Id, config: Config = None, home: Home = None) -> None:
    """Let it stand where it is, its time too; an alarm still rolls it back."""
    from finetune.rollout import commands

    obeyed(commands.pause(settled(config, home), rollout, paused=True))


@app.command()
def resume(rollout: Id, config: Config = None, home: Home = None) -> None:
    """Let a paused one go on."""
    from finetune.rollout import commands

    obeyed(commands.pause(settled(config, home), rollout, paused=False))


@app.command()
def promote(rollout: Id, config: Config = None, home: Home = None, why: Why = "by hand") -> None:
    """Give the new version all of the traffic now, whatever the evidence says."""
    from finetune.rollout import commands

    obeyed(commands.steer(settled(config, home), rollout, "live", why))


@app.command()
def rollback(rollout: Id, config: Config = None, home: Home = None, why: Why = "by hand") -> None:
    """Give the old version all of the traffic back, now."""
    from finetune.rollout import commands

    obeyed(commands.steer(settled(config, home), rollout, "rolled_back", why))
