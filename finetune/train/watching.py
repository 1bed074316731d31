"""Hears of a training as it goes: progress, the log, its figures, when to stop, and how it went in the end."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, linear_regression
from typing import Any

from transformers import TrainerCallback

from finetune.errors import TrainingFailed
from finetune.progress import Progress
from finetune.train.contract import Logged, TrainingHealth

# Of the training log: the part that tells how training ended.
LAST = 0.2
# The columns of each method's log, in the order of Logged; those that a method has not are 0.
MARGIN = "rewards/margins"
# What each method's log calls what was gained: a margin between answers, tokens told rightly, reward.
GAINS = {"sft": "mean_token_accuracy", "grpo": "reward", "rloo": "reward"}
COLUMNS = ("loss", MARGIN, "rewards/accuracies", "logps/chosen", "logps/rejected", "rewards/chosen")
# What is measured of what the trainers log, by its name in `finetune.metrics`.
FIGURES = {
    "loss": "loss",
    "margin": MARGIN,
    "accuracy": "rewards/accuracies",
    "chosen": "logps/chosen",
    "rejected": "logps/rejected",
    "reward": "reward",
}
PROBES = 20  # in a training, about
FEWEST_LINES = 10  # of a log; in fewer a trend is lost in the noise
SURE = 1.96  # standard errors: of a two-sided 95 % interval


@dataclass
class Watch(TrainerCallback):
    """Tells progress, keeps the log, and stops training when asked to."""

    stop: threading.Event
    progress: Progress
    log: list[Logged] = field(default_factory=list)
    gain: str = MARGIN  # the column that tells whether anything was learnt
    start: float | None = None  # its value at the beginning
    alarm_nats: float | None = None  # a fall of the chosen answers' log-probability that is told at once
    alarmed: bool = False
    rows: int = 0  # that go through the model at once
    probe: Callable[[Any], float] | None = (
        None  # KL from the reference; trainers that sample measure their own
    )
    probed: int = 0  # the step of the latest
    left_out: int = 0  # rows that are too long to be learnt
    saves: bool = False  # a checkpoint, once it is told to stop

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take up the log of the checkpoint; what an attempt that broke off for memory logged is forgotten."""
        self.log.clear()
        self.start, self.probed = None, 0
        for logs in state.log_history:
            if self._tells(logs):
                self._note(int(logs["step"]), logs, float(logs["kl"]) if "kl" in logs else None)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After each optimiser step."""
        told = f"loss {self.log[-1].loss:.3f}, gain {self.log[-1].margin:+.2f}" if self.log else ""
        self.progress.advanced(state.global_step, state.max_steps, told)
        if self.stop.is_set():
            control.should_training_stop = True
            control.should_save = control.should_save or self.saves

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Any = None, model: Any = None, **_: Any
    ) -> None:
        """After each line of the log; the summary at the end has no loss of its own."""
        if self._tells(logs):
            kl = self._kl(state, model, logs)
            self._note(state.global_step, logs, kl)
            self._look_for_displacement()
            self.progress.measured(self._figures(state, logs, kl))

    def _tells(self, logs: Any) -> bool:
        return bool(logs) and "loss" in logs and self.gain in logs

    def _note(self, step: int, logs: Mapping[str, Any], kl: float | None) -> None:
        if self.start is None:  # a margin begins at nothing, a reward or an accuracy where the base has it
            self.start = 0.0 if self.gain == MARGIN else float(logs[self.gain])
        line = {**logs, MARGIN: float(logs[self.gain]) - self.start}
        self.log.append(replace(logged(step, line), kl=kl))

    def _kl(self, state: Any, model: Any, logs: Mapping[str, Any]) -> float | None:
        """Nats a token from the reference, now and then: it costs a look at a few answers."""
        if self.probe is None:
            return float(logs["kl"]) if "kl" in logs else None
        if self.probed and state.global_step - self.probed < state.max_steps / PROBES:
            return None
        self.probed = state.global_step
        return self.probe(model)

    def _figures(self, state: Any, logs: Mapping[str, Any], kl: float | None) -> dict[str, float]:
        """What was measured, by name."""
        found = {name: float(logs[column]) for name, column in FIGURES.items() if column in logs}
        found |= {"step": state.global_step, "steps": state.max_steps, "rows": self.rows}
        return found | {"displaced": float(self.alarmed)} | ({"kl": kl} if kl is not None else {})

    def _look_for_displacement(self) -> None:
        """Tell, once, that what was held up as good is becoming unlikely."""
        first, last = self.log[0], self.log[-1]
        if self.alarm_nats is None or self.alarmed or last.chosen - first.chosen > -self.alarm_nats:
            return
        self.alarmed = True
        fall = first.chosen - last.chosen
        told = f"ALARM: chosen answers lost {fall:.1f} nats by step {last.step}: likelihood displacement"
        self.progress.advanced(last.step, last.step, told)


def logged(step: int, logs: Mapping[str, Any]) -> Logged:
    """A line of the log, whatever method wrote it."""
    return Logged(step, *(float(logs.get(name, 0.0)) for name in COLUMNS))


@dataclass
class Heeding:
    """Puts batches together; the first look at each is the reference's, which ends here when training is to stop."""

    collator: Any
    watch: Watch
    batches: int
    seen: int = 0

    def __call__(self, examples: list[Any]) -> Any:
        """A padded batch; raises TrainingFailed when training is to stop before its first step."""
        if self.watch.stop.is_set() and self.seen < self.batches:  # later a step ends first, and may be saved
            raise TrainingFailed("training was stopped")
        self.seen += 1
        if self.seen <= self.batches:
            self.watch.progress.advanced(self.seen, self.batches, "batches shown to the reference")
        return self.collator(examples)


def health_of(log: Sequence[Logged], beta: float, method: str = "dpo") -> TrainingHealth:
    """What the log says; with no log, or with a loss that is no number, training is unsound."""
    finite = bool(log) and all(math.isfinite(line.loss) for line in log)
    if not finite:
        return TrainingHealth(finite=False, margin=0.0, accuracy=0.0, chosen_drift=0.0, method=method)
    last = log[-max(1, round(LAST * len(log))) :]
    margin, bound = trend(log) if method in GAINS else (fmean(line.margin for line in last), None)
    return TrainingHealth(
        finite=True,
        margin=margin,
        accuracy=fmean(line.accuracy for line in last),
        chosen_drift=fmean(line.chosen_reward for line in last)
        / (beta or 1.0),  # without beta there is no reward
        bound=bound,
        method=method,
    )


def trend(log: Sequence[Logged]) -> tuple[float, float]:
    """What a straight line through the log gains from end to end, by least squares, and its upper 95 % bound.

    A margin is measured against the reference. Rewards and tokens told rightly are those of each step's own prompts,
    which differ far more from one another than a training moves them: whether they rose can seldom be told from the
    log, and the exams tell it, on the same prompts before and after. That they fell surely, a collapse, shows. Of a
    log of fewer than FEWEST_LINES nothing is sure.
    """
    said = [line.margin for line in log]
    if len(said) < FEWEST_LINES:
        gain = said[-1] - said[0]
        return gain, max(gain, 0.0)
    places = range(len(said))
    slope, start = linear_regression(places, said)
    around = sum((each - start - slope * place) ** 2 for place, each in enumerate(said)) / (len(said) - 2)
    middle = fmean(places)
    error = math.sqrt(around / sum((place - middle) ** 2 for place in places))
    return slope * places[-1], (slope + SURE * error) * places[-1]
