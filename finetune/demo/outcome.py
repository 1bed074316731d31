"""What a demo measured: the JSON it prints, and the numbers behind its table and its plots.

Every rate and mean stands beside its 95 % interval, and `how` says how it was measured.
"""

from typing import Self

from pydantic import BaseModel, Field

from finetune.exams.intervals import Estimate

Interval = tuple[float, float]


class Guarding(BaseModel):
    """What the guards flagged among the exchanges sent before training."""

    exchanges: int
    flagged: int
    flagged_rate: float
    flagged_rate_interval: Interval
    by_hazard: dict[str, int]
    refused: int
    how: str


class Rewarding(BaseModel):
    """How the chosen answer's reward rises with the number of candidates, on the same prompts."""

    mean_by_n: dict[str, float]
    interval_by_n: dict[str, Interval]
    single_sample_sd: float
    gain: float  # n = largest less n = 1, in sd of single samples
    gain_interval: Interval
    prompts: int
    how: str = (
        "reward of what was delivered, refusals too, as the reward server scores it; the same prompts for "
        "each n, guards on; sd of the rewards at n = 1; cluster bootstrap by prompt"
    )


class Change(BaseModel):
    """A rate of the bare policy, guards off, before and after training, on prompts that trained nothing."""

    before: float
    before_interval: Interval
    after: float
    after_interval: Interval
    difference: float
    difference_interval: Interval
    prompts: int
    answers: int
    judge: str

    @classmethod
    def between(cls, before: Estimate, after: Estimate, difference: Estimate, judge: str) -> Self:
        """The change between two examinations."""
        return cls(
            before=before.value,
            before_interval=(before.low, before.high),
            after=after.value,
            after_interval=(after.low, after.high),
            difference=difference.value,
            difference_interval=(difference.low, difference.high),
            prompts=before.prompts,
            answers=before.values,
            judge=judge,
        )


class Swapping(BaseModel):
    """What concurrent clients saw while the new version was loaded, flipped to and the old one drained."""

    clients: int
    requests_during: int
    failed: int
    mixed_versions: int
    seconds: float  # from the first load on an engine to the alias's new weights being in force
    by_version: dict[str, int]
    errors: list[str] = Field(default_factory=list)
    how: str = (
        "official openai client, half of the clients streaming, greedy; an answer is mixed when it is not "
        "exactly the text that its own version gives alone"
    )


class Keeping(BaseModel):
    """Whether every flagged exchange that was answered is in the ledger, once."""

    flagged_answered: int
    flagged_lost: int
    flagged_twice: int
    how: str = "ids of flagged answers, as clients received them, looked up through the admin API"


class Learning(BaseModel):
    """The training between before and after."""

    pairs: int
    pairs_by_kind: dict[str, int]
    promoted: bool
    reasons: list[str]
    version: str | None
    margins: list[float]  # rewards/margins over the steps of DPO
    losses: list[float]
    step_seconds: dict[str, float]


class Outcome(BaseModel):
    """The whole demo."""

    prompts: dict[str, int]
    guard: Guarding
    reward: Rewarding
    learning: Learning
    unsafe_compliance: Change
    benign_refusal: Change
    swap: Swapping | None  # None when the new version did not pass its gate
    ledger: Keeping
    reward_after: float  # mean reward at n = 1 on the same prompts, after the swap
    reward_after_interval: Interval
    reward_after_how: str
    seconds: float
    machine: str
