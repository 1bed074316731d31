"""What a preference-training method is given and what it leaves behind; no torch here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import ConfigDict, Field

from finetune.pairs.dataset import Dataset

LossName = Literal[
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
    "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; the adapter starts from the bare base model, never from an earlier adapter."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    base: str | None = None  # the policy model's directory or hub name; None is the pocket policy
    # Preferences over pairs; answers that are good or bad by themselves; chosen answers alone; or online, by rewards.
    method: Literal["dpo", "kto", "sft", "grpo", "rloo"] = "dpo"
    # Of `dpo`: TRL's losses by name with their weights, such as {sigmoid: 0.8, bco_pair: 0.2, sft: 1.0}.
    losses: Mapping[LossName, float] | None = None
    rank: int = 16
    alpha: int = 32
    max_rank: int = 64  # what the engines were started with
    learning_rate: float = 1e-5
    beta: float = 0.1
    epochs: float = 1.0
    batch_size: int = 8
    max_length: int = 1024  # tokens of prompt and answer; longer pairs are cut
    sft_weight: float = 0.1  # of the likelihood of chosen answers, beside the preference loss
    label_smoothing: float = 0.0  # the share of labels believed to be wrong
    warmup: float = 0.1  # share of the steps
    seed: int = 7
    device: Literal["auto", "cpu", "cuda"] = "auto"
    checkpoint_steps: Annotated[int, Field(ge=0)] = (
        50  # a killed worker's training goes on from the last; 0 keeps none
    )
    alarm_nats: float | None = (
        20.0  # a fall of the chosen answers' log-probability that is told as it happens
    )
    generations: Annotated[int, Field(ge=2)] = 8  # of `grpo` and `rloo`: answers to each prompt
    max_completion: Annotated[int, Field(ge=1)] = 128  # and their longest, in tokens


# A model of some million weights needs larger steps, and has shorter answers, than those that Recipe is for.
POCKET = Recipe(learning_rate=1.7e-3, beta=0.006, epochs=2.25, batch_size=16, max_length=256, sft_weight=0.25)


@dataclass(frozen=True, slots=True)
class TrainingHealth:
    """How training went, as far as it can make an adapter unfit."""

    finite: bool  # every logged loss was a number
    margin: float  # mean reward margin of the last steps; above 0 when the pairs were learnt
    accuracy: float  # share of pairs ranked rightly in the last steps
    chosen_drift: float  # log-probability of chosen answers against the base model's, last steps, in nats


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the training log."""

    step: int
    loss: float
    margin: float
    accuracy: float
    chosen: float  # mean log-probability of the chosen answers, in nats
    rejected: float
    chosen_reward: float  # beta times how much likelier the chosen answers are than under the base model


@dataclass(frozen=True, slots=True)
class Trained:
    """An immutable adapter directory, named by its content, and the evidence of how it came about."""

    adapter: Path
    digest: str
    seconds: float
    steps: int
    device: str
    health: TrainingHealth
    unservable: tuple[str, ...]  # what an engine would refuse about it
    log: tuple[Logged, ...]

    @property
    def told(self) -> str:
        """One line for people."""
        learnt = f"margin {self.health.margin:+.2f}, {self.health.accuracy:.0%} of pairs ranked rightly"
        took = f"{self.steps} steps in {self.seconds:.0f} s on {self.device}"
        return f"adapter {self.digest[:12]}: {took}; {learnt}"


class Trainer(Protocol):
    """One method of preference training."""

    async def train(self, dataset: Dataset, recipe: Recipe) -> Trained:
        """Learn a frozen dataset; raises TrainingFailed. Cancelling stops it between two steps."""
        ...
