"""Which of a model's logits are the reward: one of them, or several by name and their weighted sum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rewardserve.errors import ModelUnusable
from rewardserve.reward import Reward
from rewardserve.scorer import ModelSpec


@dataclass(frozen=True, slots=True)
class Reading:
    """How a row of logits is read."""

    weights: tuple[float, ...]  # one for each logit
    heads: Mapping[str, int]  # the logits that are parts of the reward, by name; empty: it has no parts

    def rewards(self, logits: torch.Tensor) -> list[float]:
        """One reward per row of (rows, labels)."""
        rows: list[list[float]] = logits.float().tolist()
        return [self.reward(row) for row in rows]

    def reward(self, row: Sequence[float]) -> float:
        """The weighted sum of one row, with its parts where they have names."""
        # A logit without weight is left out, not multiplied: if it is not a number, that is nobody's concern.
        total = sum(weight * logit for weight, logit in zip(self.weights, row, strict=True) if weight)
        return Reward(total, {name: row[at] for name, at in self.heads.items()}) if self.heads else total


def reading_of(config: Any, spec: ModelSpec) -> Reading:
    """How the model's logits are read; one with several must be told. Raises ModelUnusable."""
    labels = int(config.num_labels)
    heads = heads_of(config, spec)
    if strange := sorted(name for name, at in heads.items() if at >= labels):
        raise ModelUnusable(f"heads: {spec.model} has labels 0 to {labels - 1}, and none for {strange}")
    if strange := sorted(set(spec.weights) - set(heads)):
        raise ModelUnusable(f"weights: there is no head called {strange}; heads are {sorted(heads)}")
    if heads and spec.label_index is None:
        return Reading(weights_of(heads, spec.weights, labels), heads)
    label = label_of(labels, spec)
    return Reading(tuple(float(at == label) for at in range(labels)), heads)


def heads_of(config: Any, spec: ModelSpec) -> Mapping[str, int]:
    """The heads by name, as the operator or the checkpoint names them."""
    if spec.heads != "config":
        return spec.heads
    return {str(name): int(at) for at, name in config.id2label.items()}


def weights_of(heads: Mapping[str, int], weights: Mapping[str, float], labels: int) -> tuple[float, ...]:
    """Each logit's weight: as given, 0 for a head that is not named, or the mean of all heads."""
    given = weights or dict.fromkeys(heads, 1 / len(heads))
    summed = [0.0] * labels
    for name, weight in given.items():
        summed[heads[name]] += weight
    return tuple(summed)


def label_of(labels: int, spec: ModelSpec) -> int:
    """Which logit is the reward; a model with several must be told."""
    index = spec.label_index
    if index is not None and spec.weights:
        raise ModelUnusable("label_index and weights both say what the reward is: give one of them")
    if index is None and labels != 1:
        raise ModelUnusable(
            f"{spec.model} has {labels} labels; a reward model has one. "
            f"If one of them is the reward, say which: --label-index 0 to {labels - 1}. "
            "If several are parts of it, name them: --heads '{\"name\": 0, …}'"
        )
    if index is not None and not 0 <= index < labels:
        raise ModelUnusable(f"--label-index {index}: {spec.model} has labels 0 to {labels - 1}")
    return index or 0
