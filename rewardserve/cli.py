"""`trimtab reward`: serve a reward model, or score a few answers from the terminal."""

import math
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from rewardserve.commands.calibrate import calibrate
from rewardserve.commands.probe import probe
from rewardserve.commands.report import report
from rewardserve.commands.terminal import (
    Backend,
    ChatTemplate,
    CpuThreads,
    Device,
    Dtype,
    EnsembleFile,
    LabelIndex,
    MaxTokens,
    Model,
    Url,
    all_loaded_or_exit,
    give_up,
    loaded_or_exit,
    say,
    settings_or_exit,
)
from rewardserve.commands.train import train

if TYPE_CHECKING:
    from rewardserve.scorer import Measured, Scorer
    from rewardserve.settings import RewardSettings

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Serve a reward model, or score answers with one."
)
app.command()(train)
app.command()(report)
app.command()(calibrate)
app.command()(probe)


@app.command()
def serve(  # noqa: PLR0913 - a command's options are its parameters
    *,
    model: Model = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 chooses one. Default: 8083.")] = None,
    device: Device = None,
    dtype: Dtype = None,
    cpu_threads: CpuThreads = None,
    label_index: LabelIndex = None,
    max_tokens: MaxTokens = None,
    chat_template: ChatTemplate = None,
    backend: Backend = None,
    url: Url = None,
    ensemble: EnsembleFile = None,
    calibration: Annotated[
        Path | None, typer.Option(help="What `trimtab reward calibrate` wrote of this model.")
    ] = None,
) -> None:
    """Serve POST /v1/score, with /health and /metrics.

    Every option is also a variable, TRIMTAB_REWARDSERVE_PORT and so on; the command line wins. Only variables
    are BATCH_ITEMS, BATCH_PADDED_TOKENS, QUEUE_ITEMS, MAX_BODY_BYTES, SYSTEM_MESSAGES, PREFIX_SHARING, HEADS, WEIGHTS,
    SERVED_NAME, TRUST_REMOTE_CODE, WORKERS, DRAIN_SECONDS, ADMIN_KEY, API_KEY, TIMEOUT_SECONDS, OPTIONS, PROBE,
    PROBE_SECONDS.
    """
    settings = settings_or_exit(**locals())
    listen(all_loaded_or_exit(settings), settings)


@app.command()
def score(  # noqa: PLR0913 - a command's options are its parameters
    prompt: Annotated[str, typer.Argument(help="What the user asked.")],
    candidates: Annotated[list[str], typer.Argument(help="The answers that compete.")],
    *,
    system: Annotated[str | None, typer.Option(help="A system message before it.")] = None,
    model: Model = None,
    label_index: LabelIndex = None,
    chat_template: ChatTemplate = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Score answers to a prompt, best first."""
    from rewardserve.errors import ScoringError
    from rewardserve.scorer import Message

    scorer = loaded_or_exit(
        settings_or_exit(model=model, label_index=label_index, chat_template=chat_template, workers=1)
    )
    messages = [Message("system", system)] if system else []
    try:
        rewards = scorer.score(scorer.prepare([*messages, Message("user", prompt)], candidates))
    except ScoringError as error:
        give_up(error.message)
    ranked = sorted(zip(rewards, candidates, strict=True), key=lambda pair: -pair[0])
    if as_json:
        rows = [{"reward": reward, "candidate": candidate} for reward, candidate in ranked]
        typer.echo(orjson.dumps({"model": scorer.card.name, "ranked": rows}))
    else:
        Console().print(table_of(ranked, scorer.card.name))


def listen(scorers: "list[Scorer[Measured]]", settings: "RewardSettings") -> None:
    """Serve until told to stop."""
    import uvicorn

    from rewardserve.app import create_app

    with listener_or_exit(settings) as listener:
        address, port = listener.getsockname()[:2]
        say.print(f"listening on http://{address}:{port}", highlight=False)
        app = create_app(scorers[0], settings, others=scorers[1:])
        scorers.clear()  # the app alone holds them, so that a reload can free them
        config = uvicorn.Config(
            app,
            log_level="warning",
            lifespan="on",
            timeout_keep_alive=75,  # longer than clients keep an idle connection, so that none loses a race
            timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        )
        uvicorn.Server(config).run(sockets=[listener])


def listener_or_exit(settings: "RewardSettings") -> socket.socket:
    """The socket to serve on; bound by us, so that port 0 can be announced and a taken port explained."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        give_up(f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}")


def table_of(ranked: list[tuple[float, str]], name: str) -> Table:
    """The answers, best first."""
    table = Table(title=f"raw rewards of {name}", title_justify="left")
    table.add_column("reward", justify="right")
    table.add_column("candidate")
    for reward, candidate in ranked:
        table.add_row(f"{reward:+.3f}", candidate)
    return table
