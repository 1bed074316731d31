"""How far an adapter goes from its base."""

from pathlib import Path
from statistics import fmean

import pytest

from finetune.errors import PolicyFailed
from finetune.exams.contract import ExamPlan
from tests.fakes.tiny_adapter import make_tiny_adapter
from tests.fakes.tiny_policy import make_tiny_policy

pytestmark = pytest.mark.slow  # seconds each: it loads models
ASKED = [({"role": "user", "content": f"How do I do number {i}?"},) for i in range(3)]
PLAN = ExamPlan(samples=1, max_tokens=12)


def nats(base: Path, adapter: Path) -> list[list[float]]:
    from finetune.train.divergence import divergence

    return divergence(str(base), adapter, ASKED, PLAN)


def test_a_strong_adapter_goes_further_than_a_weak_one(tmp_path: Path) -> None:
    base = make_tiny_policy(tmp_path / "base")
    weak, strong = (make_tiny_adapter(base, tmp_path / f"r{rank}", rank=rank) for rank in (1, 8))
    near, far = (fmean(map(fmean, nats(base, adapter))) for adapter in (weak, strong))
    assert 0 < near < far


def test_what_cannot_be_loaded_fails(tmp_path: Path) -> None:
    base = make_tiny_policy(tmp_path / "base")
    with pytest.raises(PolicyFailed, match="cannot be compared"):
        nats(base, tmp_path / "nowhere")
