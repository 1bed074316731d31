"""Muon, against its definition, against PyTorch's own, and as an optimiser."""

import pytest
import torch

from finetune.pocket.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 24), (2, 24, 8)])
def test_singular_values_end_near_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_a_batch_is_worked_on_one_by_one() -> None:
    torch.manual_seed(0)
    batch = torch.randn(4, 8, 12)
    alone = torch.cat([orthogonal(one[None]) for one in batch])
    assert torch.allclose(orthogonal(batch), alone, atol=1e-6)


def test_a_step_is_that_of_pytorchs_own_within_its_precision() -> None:
    torch.manual_seed(0)
    start, slope = torch.randn(12, 12), torch.randn(12, 12)
    moved = []
    for make in (
        lambda params: Muon(params, lr=0.1, weight_decay=0.1),
        lambda params: torch.optim.Muon(params, lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    ):
        one = torch.nn.Parameter(start.clone())
        one.grad = slope.clone()
        make([one]).step()
        moved.append(one.detach() - start)
    assert torch.allclose(*moved, atol=0.05 * float(moved[0].abs().max()))


def test_it_finds_the_matrix_that_explains_the_data() -> None:
    torch.manual_seed(0)
    wanted, found = torch.randn(6, 6), torch.nn.Parameter(torch.zeros(6, 6))
    optimizer = Muon([found], lr=0.2, weight_decay=0.0)
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 0.2 * (1 - step / 300)
        loss = (found - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3
