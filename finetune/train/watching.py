"""Hears of a training as it goes: progress, the log, when to stop, and how it went in the end."""

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from transformers import TrainerCallback

from finetune.errors import TrainingFailed
from finetune.progress import Progress
from finetune.train.contract import Logged, TrainingHealth

# Of the training log: the part that tells how training ended.
LAST = 0.2
# The columns of each method's log, in the order of Logged; those that a method has not are 0.
MARGIN = "rewards/margins"
COLUMNS = ("loss", MARGIN, "rewards/accuracies", "logps/chosen", "logps/rejected", "rewards/chosen")


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

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After each optimiser step."""
        told = f"loss {self.log[-1].loss:.3f}, gain {self.log[-1].margin:+.2f}" if self.log else ""
        self.progress.advanced(state.global_step, state.max_steps, told)
        control.should_training_stop = control.should_training_stop or self.stop.is_set()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """After each line of the log; the summary at the end has no loss of its own."""
        if logs and "loss" in logs and self.gain in logs:
            if (
                self.start is None
            ):  # a margin begins at nothing, a reward or an accuracy where the base has it
                self.start = 0.0 if self.gain == MARGIN else float(logs[self.gain])
            self.log.append(logged(state.global_step, {**logs, MARGIN: float(logs[self.gain]) - self.start}))
            self._look_for_displacement()

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
    """Puts batches together, unless training is to stop; the first look at each is the reference's."""

    collator: Any
    watch: Watch
    batches: int
    seen: int = 0

    def __call__(self, examples: list[Any]) -> Any:
        """A padded batch; raises TrainingFailed when training is to stop."""
        if self.watch.stop.is_set():
            raise TrainingFailed("training was stopped")
        self.seen += 1
        if self.seen <= self.batches:
            self.watch.progress.advanced(self.seen, self.batches, "batches shown to the reference")
        return self.collator(examples)


def health_of(log: Sequence[Logged], beta: float) -> TrainingHealth:
    """What the end of the log says; with no log, or with a loss that is no number, training is unsound."""
    finite = bool(log) and all(math.isfinite(line.loss) for line in log)
    if not finite:
        return TrainingHealth(finite=False, margin=0.0, accuracy=0.0, chosen_drift=0.0)
    last = log[-max(1, round(LAST * len(log))) :]
    return TrainingHealth(
        finite=True,
        margin=fmean(line.margin for line in last),
        accuracy=fmean(line.accuracy for line in last),
        chosen_drift=fmean(line.chosen_reward for line in last)
        / (beta or 1.0),  # without beta there is no reward
    )
