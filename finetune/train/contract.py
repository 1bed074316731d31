"""What a preference-training method is given and what it leaves behind; no torch here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import ConfigDict, Field

from finetune.pairs.dataset import Dataset
from gateway.amounts import AtLeastZero, Positive

LossName = Literal[
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
    "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm",
]  # fmt: skip


AtLeastOne = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Weights = Literal["lora", "full"]
ONLINE = ("grpo", "rloo")
RATED = ("kto",)  # methods that learn answers which are good or bad by themselves
FEWEST_ROWS = {
    "kto": 2
}  # at once in one process: it sets each row beside another's answer; of other methods 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; ValueError, naming the field, where its parts do not go together."""

    # What stands below a field is what `trimtab finetune recipes NAME` says that it means.
    __pydantic_config__ = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    base: str | None = None
    """The policy model's directory or hub name; null is the pocket policy."""
    method: Literal["dpo", "kto", "sft", "grpo", "rloo"] = "dpo"
    """From pairs; answers good or bad by themselves; chosen answers alone; online, by rewards (grpo, rloo)."""
    losses: Mapping[LossName, AtLeastZero] | None = None
    """Of dpo: TRL's losses by name with their weights, such as {sigmoid: 0.8, bco_pair: 0.2, sft: 1.0}."""
    weights: Weights = "lora"
    """An adapter, or full: a whole model, which engines are given one by one (docs/hot-swap.md)."""
    anchor: Literal["base", "last"] = "base"
    """What it starts from and is held to: the bare base, or last, the live version; then drift adds up."""
    rank: AtLeastOne = 16
    """Of the adapter."""
    alpha: AtLeastOne = 32
    """The adapter counts alpha / rank times."""
    max_rank: AtLeastOne = 64
    """What the engines were started with."""
    learning_rate: Positive = 1e-5
    """At its highest, after the warmup."""
    beta: AtLeastZero = 0.1
    """How firmly the policy is held to its anchor."""
    epochs: Positive = 1.0
    """How often each row is learnt."""
    batch_size: AtLeastOne = 8
    """Rows of a step, whoever shares it; of grpo and rloo, answers."""
    max_length: Annotated[int, Field(ge=2)] = 1024
    """Tokens of prompt and answer; a longer answer is cut, and a row whose prompt alone has as many is left out."""
    sft_weight: AtLeastZero = 0.1
    """Weight of the likelihood of chosen answers, beside the preference loss."""
    ballast: AtLeastZero = 0.0
    """Weight of KL from the base, in nats a token, on its own answers."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """The share of labels believed to be wrong."""
    warmup: Share = 0.1
    """Share of the steps in which the learning rate grows."""
    seed: int = 7
    device: Literal["auto", "cpu", "cuda"] = "auto"
    checkpoint_steps: Annotated[int, Field(ge=0)] = 50
    """A killed worker's training goes on from the last; 0 keeps none."""
    alarm_nats: Positive | None = 20.0
    """A fall of the chosen answers' log-probability that is told as it happens."""
    generations: Annotated[int, Field(ge=2)] = 8
    """Of grpo and rloo: answers to each prompt."""
    max_completion: AtLeastOne = 128
    """Of grpo and rloo: the longest answer, in tokens."""

    def __post_init__(self) -> None:
        if self.losses and self.method != "dpo":
            raise ValueError(f"losses: only method dpo mixes losses, and this is {self.method}")
        if self.losses is not None and not any(weight > 0 for weight in self.losses.values()):
            raise ValueError("losses: at least one needs a weight above 0; leave losses out for dpo's own")
        if self.weights == "lora" and self.rank > self.max_rank:
            raise ValueError(f"rank: {self.rank} is larger than max_rank, which engines were started with")
        if self.ballast and self.weights == "full":
            raise ValueError("ballast: needs weights lora; the base is asked by switching the adapter off")
        if self.beta == 0 and self.method in ("dpo", "kto"):
            raise ValueError(
                f"beta: {self.method} needs more than 0; it is what holds the policy to its anchor"
            )
        if self.batch_size < FEWEST_ROWS.get(self.method, 1):
            told = "sets each row beside another's answer"
            raise ValueError(f"batch_size: {self.method} {told}; give it {FEWEST_ROWS[self.method]} or more")
        if self.method in ONLINE and self.batch_size % self.generations:
            raise ValueError(f"batch_size: must be a multiple of generations, {self.generations}")


# A model of some million weights needs larger steps, and has shorter answers, than those that Recipe is for.
POCKET = Recipe(
    learning_rate=1.7e-3,
    beta=0.006,
    epochs=2.25,
    batch_size=16,
    max_length=256,
    sft_weight=0.25,
    ballast=0.05,
)


@dataclass(frozen=True, slots=True)
class TrainingHealth:
    """How training went, as far as it can make an adapter unfit."""

    finite: bool  # every logged loss was a number
    margin: float  # of the last steps; of online methods and sft what a line through the whole log gains
    accuracy: float  # share of pairs ranked rightly in the last steps
    chosen_drift: float  # log-probability of chosen answers against the reference's, last steps, in nats
    bound: float | None = None  # the upper 95 % bound of a margin that is such a line's
    method: str = "dpo"  # which says what the margin is of

    @property
    def learnt(self) -> bool:
        """Whether the pairs were learnt; of a margin that is a trend in noise, whether it has not surely fallen."""
        return self.margin > 0 if self.bound is None else self.bound >= 0


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the training log."""

    step: int
    loss: float
    margin: float
    accuracy: float
    chosen: float  # mean log-probability of the chosen answers, in nats
    rejected: float
    chosen_reward: float  # beta times how much likelier the chosen answers are than under the reference
    kl: float | None = None  # from the reference, nats a token, where it was measured in this step


@dataclass(frozen=True, slots=True)
class Job:
    """One training, whole: all that a process, here or elsewhere, needs for it. JSON can hold it."""

    dataset: Dataset
    recipe: Recipe
    base: str  # the policy model's directory or hub name
    folder: Path  # which gets the version's directory, named by its content
    start: Path | None = None  # the directory that `anchor: last` starts from; None is the base
    reward_url: str | None = field(
        default=None, repr=False
    )  # that online methods ask; it may hold a password
    fewest: int = 0  # pairs that must be short enough to be learnt


def job_of(  # noqa: PLR0913 - a job's parts
    dataset: Dataset,
    recipe: Recipe,
    base: str,
    folder: Path,
    last: Path | None,
    reward_url: str | None,
    *,
    fewest: int = 0,
) -> Job:
    """A job; `base` is used where the recipe names none, and `last` where it asks for it."""
    start = last if recipe.anchor == "last" else None
    return Job(dataset, recipe, recipe.base or base, folder, start, reward_url, fewest)


@dataclass(frozen=True, slots=True)
class Rewarder:
    """Whose rewards an online method went by: a server's URL without credentials, and its model, where it tells."""

    url: str
    model: str | None


def gained(method: str, margin: float, accuracy: float) -> str:
    """What a training gained, in what its method measures: only those that compare two answers rank pairs."""
    match method:
        case "sft":
            return f"tokens foretold rightly {100 * margin:+.1f} points"
        case "grpo" | "rloo":
            return f"mean reward {margin:+.2f}"
        case "kto":
            return f"margin of good answers over bad ones {margin:+.2f}"
        case _:
            return f"margin {margin:+.2f}, {accuracy:.0%} of pairs ranked rightly"


@dataclass(frozen=True, slots=True)
class Trained:
    """An immutable directory, named by its content, and the evidence of how it came about."""

    adapter: Path  # of an adapter, or with `weights: full` of a whole model
    digest: str
    seconds: float
    steps: int
    device: str
    health: TrainingHealth
    unservable: tuple[str, ...]  # what an engine would refuse about it
    log: tuple[Logged, ...]
    weights: Weights = "lora"
    method: str = "dpo"
    rewarder: Rewarder | None = None  # of online methods
    left_out: int = 0  # rows whose prompt alone has recipe.max_length tokens

    @property
    def rewarded_by(self) -> dict[str, str | None]:
        """What a version's lineage says of who rewarded it; nothing of other methods, which ask nobody."""
        return (
            {"rewarded_by": self.rewarder.url, "reward_model": self.rewarder.model} if self.rewarder else {}
        )

    @property
    def told(self) -> str:
        """One line for people."""
        made = "adapter" if self.weights == "lora" else "full weights"
        took = f"{self.steps} steps in {self.seconds:.0f} s on {self.device}"
        if not self.health.finite:  # then nothing else was measured either
            return f"{made} {self.digest[:12]}: {took}; its loss is no number"
        told = gained(self.method, self.health.margin, self.health.accuracy)
        left = f"; {self.left_out} rows left out as too long" if self.left_out else ""
        return f"{made} {self.digest[:12]}: {took}; {told}{left}"


class Trainer(Protocol):
    """One method of preference training."""

    async def train(self, dataset: Dataset, recipe: Recipe, last: Path | None = None) -> Trained:
        """Learn a frozen dataset, for `anchor: last` from the directory of the live version; None is the bare base.

        Raises TrainingFailed. Cancelling stops it between two steps.
        """
        ...
