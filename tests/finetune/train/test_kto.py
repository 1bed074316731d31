"""KTO learns answers that are good or bad by themselves."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from finetune.pairs.dataset import Dataset, freeze, thaw
from finetune.train.dpo import rows_of
from finetune.train.kto import MOST_WEIGHT, unpaired, weights_of
from finetune.train.trainer import LocalTrainer
from tests.finetune.train.test_dpo import RECIPE, Heard


@pytest.mark.parametrize(
    ("good", "bad", "weights"),
    [
        (30, 10, {"undesirable_weight": 3.0}),
        (10, 40, {"desirable_weight": 4.0}),
        (7, 7, {"undesirable_weight": 1.0}),
        (500, 1, {"undesirable_weight": MOST_WEIGHT}),
        (5, 0, {}),
    ],
)
def test_the_rarer_label_weighs_as_much_more(good: int, bad: int, weights: dict[str, float]) -> None:
    assert weights_of([True] * good + [False] * bad) == weights


@pytest.mark.slow
async def test_ratings_are_learnt(tiny_policy: Path, dataset: Dataset, tmp_path: Path) -> None:
    """A third of the answers liked, the others disliked."""
    pairs = thaw(dataset.path)
    rated = [replace(one, **{"rejected" if i % 3 == 0 else "chosen": ""}) for i, one in enumerate(pairs)]
    ratings = freeze(rated, tmp_path / "ratings", {})
    trainer = LocalTrainer(str(tiny_policy), tmp_path / "adapters", Heard())
    trained = await trainer.train(ratings, replace(RECIPE, method="kto", epochs=1))
    assert trained.health.finite
    assert trained.unservable == ()


@pytest.mark.slow
async def test_pairs_and_ratings_are_learnt_together(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    mixed = [replace(one, rejected="") if i % 3 else one for i, one in enumerate(thaw(dataset.path))]
    both = freeze(mixed, tmp_path / "both", {})
    assert (both.pairs, both.ratings) == (16, 32)
    answers = [each for row in rows_of(both) for each in unpaired(row)]
    assert Counter(each["label"] for each in answers) == {True: 48, False: 16}
    trainer = LocalTrainer(str(tiny_policy), tmp_path / "adapters", Heard())
    trained = await trainer.train(both, replace(RECIPE, method="kto", epochs=1))
    assert trained.health.finite
    assert trained.unservable == ()
