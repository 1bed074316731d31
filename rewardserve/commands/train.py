"""`trimtab reward train`: a reward model from preference pairs."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rewardserve.commands.scoring import bar, pairs_or_exit
from rewardserve.commands.terminal import AsJson, PairsFile, give_up, say

if TYPE_CHECKING:
    from rewardserve.pairs import LabelledPair
    from rewardserve.training.recipe import Made, Recipe


class Method(StrEnum):
    """What is trained."""

    LORA = "lora"
    FULL = "full"


class Place(StrEnum):
    """Where it is trained."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


Base = Annotated[str, typer.Option(help="Folder or Hugging Face name of the model to begin from.")]
Out = Annotated[Path, typer.Option(help="Folder for the reward model.")]
How = Annotated[Method, typer.Option(help="LoRA, merged at the end, or all weights.")]
Rank = Annotated[int, typer.Option(min=1, help="Of LoRA.")]
Rate = Annotated[float, typer.Option("--rate", min=0.0, help="Learning rate.")]
Epochs = Annotated[float, typer.Option(min=0.0, help="How often each pair is learnt.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Pairs in a batch.")]
Accumulate = Annotated[int, typer.Option(min=1, help="Batches to a step.")]
MaxTokens = Annotated[int, typer.Option(min=1, help="Leave out pairs with a longer side.")]
HeldOut = Annotated[float, typer.Option(min=0.0, max=0.9, help="Share of the conversations to measure on.")]
CheckpointSteps = Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Throw an unfinished training in the folder away.")]


def train(  # noqa: PLR0913 - a command's options are its parameters
    *,
    pairs: PairsFile,
    base: Base,
    out: Out,
    method: How = Method.LORA,
    rank: Rank = 16,
    learning_rate: Rate = 1e-4,
    epochs: Epochs = 1.0,
    batch_pairs: Batch = 8,
    accumulate: Accumulate = 1,
    max_tokens: MaxTokens = 2048,
    held_out: HeldOut = 0.05,
    checkpoint_steps: CheckpointSteps = 200,
    seed: int = 7,
    device: Place = Place.AUTO,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Train a reward model on pairs with TRL's RewardTrainer; an interrupted training goes on where it was.

    Writes safetensors, tokenizer, MODEL_CARD.md and training.json, and measures the model on pairs held out.
    """
    recipe = recipe_of(locals())
    made = trained_or_exit(pairs_or_exit(pairs), recipe, out, fresh=fresh)
    if as_json:
        typer.echo(json.dumps(made.told(recipe)))
        return
    held = made.held_out
    accuracy = f"{held.value:.1%} of {held.values} held-out pairs right" if held else "nothing held out"
    say.print(
        f"{out}: {made.steps} steps in {made.seconds:.0f} s on {made.device}; {accuracy}", highlight=False
    )


def recipe_of(options: dict[str, Any]) -> "Recipe":
    """The recipe that the options of the same names make; alpha is twice the rank, as is usual."""
    from rewardserve.training.recipe import Recipe

    given = {name: options[name] for name in Recipe.__dataclass_fields__ if name in options}
    plain: dict[str, Any] = {
        name: str(value) if isinstance(value, StrEnum) else value for name, value in given.items()
    }
    return Recipe(**plain, alpha=2 * options["rank"])


def trained_or_exit(pairs: "list[LabelledPair]", recipe: "Recipe", out: Path, *, fresh: bool) -> "Made":
    """The training, with a bar; or a message that says why there is none."""
    from rewardserve.training.recipe import TrainingFailed

    try:
        from rewardserve.training.trl import train as trained
    except ImportError as error:
        give_up(f"training cannot start: {error}. Try: pip install 'trimtab[finetune]'")
    try:
        with bar() as shown:
            task = shown.add_task("steps", total=None)

            def progress(done: int, total: int, told: str) -> None:
                shown.update(task, completed=done, total=total, description=told or "steps")

            return trained(pairs, recipe, out, progress, fresh=fresh)
    except TrainingFailed as error:
        give_up(str(error))
