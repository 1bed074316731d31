"""`trimtab engine`: serve a small language model on this machine, in vLLM's dialect."""

import socket
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.engines.pocket.model import PocketModel

app = typer.Typer(add_completion=False, help="Serve a small policy model on this machine: the pocket engine.")

PACKAGED = Path(__file__).parent / "policy"


@app.command()
def engine(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    model: Annotated[str, typer.Option(help="A directory, or a name on the Hugging Face hub.")] = str(
        PACKAGED
    ),
    host: Annotated[str, typer.Option(help="Its routes need no key: keep it on loopback.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8082,
    served_model_name: Annotated[str, typer.Option(help="The name that clients ask for.")] = "pocket",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    max_model_len: Annotated[
        int | None, typer.Option(help="Context in tokens; by default the model's.")
    ] = None,
    max_batch_tokens: Annotated[int, typer.Option(help="Padded tokens in flight; bounds memory.")] = 65_536,
    max_num_seqs: Annotated[int, typer.Option(help="Choices in flight.")] = 64,
    max_waiting: Annotated[int, typer.Option(help="Requests that may wait; more get a 503.")] = 256,
    max_lora_rank: Annotated[int, typer.Option(help="Adapters of a larger rank are refused.")] = 64,
    threads: Annotated[int, typer.Option(help="Processor threads; more pay for larger models only.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Makes requests without a seed repeatable.")] = None,
    dev_mode: Annotated[bool, typer.Option(help="Let it be paused and reloaded, as vLLM's.")] = False,
) -> None:
    """Serve a model's chats and texts, with adapters loaded and unloaded while it runs."""
    import uvicorn

    from gateway.engines.pocket.app import Serving, create_app
    from gateway.engines.pocket.schedule import Limits

    limits = Limits(rows=max_num_seqs, tokens=max_batch_tokens, waiting=max_waiting)
    serving = Serving(served_model_name, model, limits, max_lora_rank, seed, dev_mode)
    with listen(host, port) as listening:
        loaded = load(model, device=device, dtype=dtype, context=max_model_len, threads=threads)
        typer.echo(
            f"{served_model_name} ({loaded.context} tokens) at http://{host}:{listening.getsockname()[1]}/v1"
        )
        config = uvicorn.Config(
            create_app(loaded, serving, version("trimtab")), log_level="warning", timeout_graceful_shutdown=5
        )
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """The port, before the model is loaded, so that one in use is known at once."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise typer.BadParameter(f"cannot listen on {host}:{port}: {error.strerror}") from error


def load(source: str, *, device: str, dtype: str, context: int | None, threads: int) -> "PocketModel":
    """The model, or an exit that says why not."""
    from gateway.engines.pocket.model import PocketModel, UnsupportedModel

    try:
        return PocketModel.load(source, device=device, dtype=dtype, context=context, threads=threads)
    except (OSError, ValueError, UnsupportedModel) as error:
        typer.echo(f"cannot serve {source}: {error}", err=True)
        raise typer.Exit(1) from error
