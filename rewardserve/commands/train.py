"""`trimtab reward train`: a reward model from preference pairs."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rewardserve.commands.scoring import bar, pairs_or_exit
from rewardserve.commands.terminal import AsJson, PairsFile, give_up, say


class Method(StrEnum):
    """What is trained."""

    LORA = "lora"
    FULL = "full"


def train(  # noqa: PLR0913 - a command's options are its parameters
    *,
    pairs: PairsFile,
    base: Annotated[str, typer.Option(help="Folder or Hugging Face name of the model to begin from.")],
    out: Annotated[Path, typer.Option(help="Folder for the reward model.")],
    method: Annotated[Method, typer.Option(help="LoRA, merged at the end, or all weights.")] = Method.LORA,
    rank: Annotated[int, typer.Option(min=1, help="Of LoRA.")] = 16,
    rate: Annotated[float, typer.Option(min=0.0, help="Learning rate.")] = 1e-4,
    epochs: Annotated[float, typer.Option(min=0.0)] = 1.0,
    batch: Annotated[int, typer.Option(min=1, help="Pairs in a batch.")] = 8,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches to a step.")] = 1,
    max_tokens: Annotated[int, typer.Option(min=1, help="Leave out pairs with a longer side.")] = 2048,
    held_out: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of the conversations to measure on.")
    ] = 0.05,
    checkpoint_steps: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 200,
    seed: int = 7,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    fresh: Annotated[bool, typer.Option(help="Throw an unfinished training in the folder away.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a reward model on pairs with TRL's RewardTrainer; an interrupted training goes on where it was.

    Writes safetensors, tokenizer, MODEL_CARD.md and training.json, and measures the model on pairs held out.
    """
    if device not in ("auto", "cpu", "cuda"):
        give_up(f"--device: auto, cpu or cuda, not {device!r}")
    read = pairs_or_exit(pairs)
    from rewardserve.training.recipe import Recipe, TrainingFailed

    try:
        from rewardserve.training.trl import train as trained
    except ImportError as error:
        give_up(f"training cannot start: {error}. Try: pip install 'trimtab[finetune]'")
    recipe = Recipe(
        base=base,
        method=method.value,
        rank=rank,
        alpha=2 * rank,
        learning_rate=rate,
        epochs=epochs,
        batch_pairs=batch,
        accumulate=accumulate,
        max_tokens=max_tokens,
        held_out=held_out,
        checkpoint_steps=checkpoint_steps,
        seed=seed,
        device=device,  # type: ignore[arg-type]
    )
    try:
        with bar() as shown:
            task = shown.add_task("steps", total=None)
            made = trained(
                read,
                recipe,
                out,
                lambda done, total, told: shown.update(
                    task, completed=done, total=total, description=told or "steps"
                ),
                fresh=fresh,
            )
    except TrainingFailed as error:
        give_up(str(error))
    if as_json:
        typer.echo(json.dumps(made.told(recipe)))
        return
    held = made.held_out
    accuracy = f"{held.value:.1%} of {held.values} held-out pairs right" if held else "nothing held out"
    say.print(
        f"{out}: {made.steps} steps in {made.seconds:.0f} s on {made.device}; {accuracy}", highlight=False
    )
