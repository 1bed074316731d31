"""How a reward model is trained, and what came of it; no torch here."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rewardserve.figures import Figure
from rewardserve.pairs import LabelledPair


class TrainingFailed(Exception):
    """Nothing was trained; the message says why."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Rates and sizes; the defaults suit LoRA on a model of some billion parameters."""

    base: str  # a folder, or a name on the Hugging Face hub
    method: Literal["lora", "full"] = "lora"
    rank: int = 16
    alpha: int = 32
    learning_rate: float = 1e-4
    epochs: float = 1.0
    batch_pairs: int = 8
    accumulate: int = 1  # batches to a step
    warmup: float = 0.05  # share of the steps
    max_tokens: int = 2048  # pairs with a longer side are left out, and counted
    centre: float = (
        0.01  # pulls rewards to a mean of 0, so that prompts can be compared (Eisenstein et al. 2023)
    )
    held_out: float = 0.05  # share of the conversations
    checkpoint_steps: int = 200
    seed: int = 7
    device: Literal["auto", "cpu", "cuda"] = "auto"
    system_messages: Literal["keep", "drop"] = "keep"
    trust_remote_code: bool = False

    def fingerprint(self, pairs: Sequence[LabelledPair]) -> str:
        """The same for the same recipe on the same pairs: only such a training may be taken up again."""
        told = json.dumps([asdict(self), [asdict(pair) for pair in pairs]], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Made:
    """A trained reward model and the evidence of how it came about."""

    folder: Path
    steps: int
    seconds: float
    device: str
    trained_on: int  # pairs
    too_long: int  # pairs left out
    resumed_at: int  # the step from which an interrupted training was taken up; 0 for one from the start
    held_out: Figure | None  # accuracy on pairs not trained on, as the reward server will run the model
    log: list[dict[str, float]]

    def told(self, recipe: Recipe) -> dict[str, Any]:
        """As JSON."""
        return {
            "recipe": asdict(recipe),
            "steps": self.steps,
            "seconds": round(self.seconds, 1),
            "device": self.device,
            "pairs": self.trained_on,
            "pairs_too_long": self.too_long,
            "resumed_at": self.resumed_at,
            "held_out_accuracy": None if self.held_out is None else self.held_out.told(),
            "log": self.log,
        }


def card_of(made: Made, recipe: Recipe) -> str:
    """The model card."""
    held = made.held_out
    accuracy = (
        f"{held.value:.1%} of {held.values} held-out pairs ranked rightly "
        f"(95 % interval {held.low:.1%} to {held.high:.1%})"
        if held
        else "not measured: no pairs were held out"
    )
    how = f"LoRA of rank {recipe.rank}, merged into the base" if recipe.method == "lora" else "all weights"
    return f"""# Reward model

Trained by `trimtab reward train` from `{Path(recipe.base).name}` ({how}), with TRL's RewardTrainer:
Bradley–Terry loss on pairs. It gives one raw logit to a conversation with an answer, as its chat template renders it;
there is no activation.

* accuracy: {accuracy}
* pairs: {made.trained_on}, and {made.too_long} left out for more than {recipe.max_tokens} tokens
* {made.steps} steps on {made.device} in {made.seconds:.0f} s
* seed {recipe.seed}, learning rate {recipe.learning_rate:g}
* system messages: {recipe.system_messages}

Rewards of different prompts are comparable only after calibration (`trimtab reward calibrate`). Serve it with
`trimtab reward serve --model FOLDER`. `training.json` has the whole recipe and the log.
"""
