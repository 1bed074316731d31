"""Muon: momentum whose matrices are made orthogonal before they are subtracted (Jordan et al., 2024)."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch

# The quintic iteration that its authors chose for its slope at zero.
QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Muon in the parameters' own precision; equal shapes are worked on together.

    PyTorch's own works in bfloat16, which processors without instructions for it emulate thirty times slower.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step with Nesterov momentum; the update's size is that of AdamW's."""
        loss = closure() if closure else None
        for group in self.param_groups:
            for shape, alike in by_shape(group["params"]).items():
                moved = torch.stack([self._nesterov(one, group["momentum"]) for one in alike])
                rate = group["lr"] * 0.2 * max(shape) ** 0.5
                for one, update in zip(alike, orthogonal(moved), strict=True):
                    one.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=rate)
        return loss

    def _nesterov(self, one: torch.Tensor, momentum: float) -> torch.Tensor:
        assert one.grad is not None
        state: dict[str, Any] = self.state[one]
        average = state.setdefault("average", torch.zeros_like(one))
        average.lerp_(one.grad, 1 - momentum)
        return one.grad.lerp(average, momentum)


def by_shape(params: Iterable[torch.Tensor]) -> dict[torch.Size, list[torch.Tensor]]:
    """The parameters that have a gradient, by shape."""
    found: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
    for one in params:
        if one.grad is not None:
            found[one.shape].append(one)
    return found


def orthogonal(batch: torch.Tensor) -> torch.Tensor:
    """Nearly the closest orthogonal matrix to each of a batch (b, rows, columns)."""
    tall = batch.shape[1] > batch.shape[2]
    found = batch.mT if tall else batch
    found = found / found.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = QUINTIC
    for _ in range(ROUNDS):
        gram = found @ found.mT
        found = a * found + (b * gram + c * gram @ gram) @ found
    return found.mT if tall else found
