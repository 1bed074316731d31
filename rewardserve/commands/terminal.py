"""What the subcommands share: options that say which model, loading it, and giving up with a reason."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rewardserve.scorer import Measured, Scorer
    from rewardserve.settings import RewardSettings

say = Console(stderr=True)

Model = Annotated[
    str | None, typer.Option(help="Folder or Hugging Face name of a reward model. Default: the packaged one.")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")]
Dtype = Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16.")]
LabelIndex = Annotated[int | None, typer.Option(help="Which logit is the reward, if the model has several.")]
MaxTokens = Annotated[int | None, typer.Option(help="Refuse longer texts. Default: what the model reads.")]
CpuThreads = Annotated[int | None, typer.Option(help="Threads for a model on the CPU.")]
ChatTemplate = Annotated[
    Path | None, typer.Option(help="A Jinja chat template, if the model's own is missing.")
]
Backend = Annotated[str | None, typer.Option(help="transformers, vllm, judge, process, or one of your own.")]
Url = Annotated[str | None, typer.Option(help="The engine that runs the model, for vllm and judge.")]
EnsembleFile = Annotated[
    Path | None, typer.Option("--ensemble", help="A YAML file of several models, instead of one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
PairsFile = Annotated[
    Path,
    typer.Option("--pairs", help="JSON lines: messages (or prompt), chosen, rejected, and subset if known."),
]


def settings_or_exit(**given: Any) -> "RewardSettings":
    """The settings, or a message that names what is wrong with them."""
    from rewardserve.settings import SettingsRefused, read_settings

    try:
        return read_settings(**given)
    except SettingsRefused as error:
        give_up(str(error))


def loaded_or_exit(settings: "RewardSettings") -> "Scorer[Measured]":
    """The model, once; see `all_loaded_or_exit`."""
    return all_loaded_or_exit(settings.model_copy(update={"workers": 1}))[0]


def all_loaded_or_exit(settings: "RewardSettings") -> "list[Scorer[Measured]]":
    """The model, once for each worker, told while it loads; or a message that says why it cannot be used."""
    from rewardserve.errors import ModelUnusable
    from rewardserve.loading import load_workers

    try:
        with say.status(f"loading {settings.ensemble or settings.model} …"):
            scorers = load_workers(settings)
    except ModelUnusable as error:
        give_up(str(error))
    card = scorers[0].card
    say.print(
        f"{card.name}: {card.architecture}, {card.parameters / 1e6:.1f} M parameters, "
        f"{card.dtype} on {card.device}, "
        f"reads {card.max_tokens} tokens as {card.input}, "
        f"prefix sharing {'on' if card.prefix_sharing else 'off'}",
        highlight=False,
        soft_wrap=True,
    )
    return scorers


def give_up(message: str) -> NoReturn:
    """Say why on stderr and exit 2."""
    say.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(2)
