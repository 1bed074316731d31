"""Kahneman-Tversky optimisation: answers that are good or bad by themselves, such as users' thumbs (arXiv 2402.01306).

Each pair gives two: the chosen answer as a good one, the rejected as a bad one. A rating gives itself. A retraining
learns both from one dataset.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datasets import Dataset as Rows
from trl import KTOConfig, KTOTrainer

from finetune.train.ballast import ballasted
from finetune.train.dpo import rows_of
from finetune.train.lengths import fitting
from finetune.train.mismatch import apart
from finetune.train.processes import seen_by_all
from finetune.train.setup import Setup
from finetune.train.start import started

MOST_WEIGHT = 10.0


def unpaired(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row's answers, each with whether it is a good one."""
    if row.get("label") is not None:
        yield {column: row[column] for column in ("prompt", "completion", "label")}
        return
    for side in ("chosen", "rejected"):
        yield {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}


def weights_of(labels: Sequence[bool]) -> dict[str, float]:
    """The rarer label weighs as much more as it is rarer, so that both kinds pull alike; no more than tenfold.

    Ethayarajh et al. 2024 (arXiv 2402.01306), section 4: desirable weight times count over undesirable weight times
    count, which should be from 1 to 4/3, is 1.
    """
    good, bad = sum(labels), len(labels) - sum(labels)
    if not good or not bad:
        return {}
    heavier = min(MOST_WEIGHT, max(good, bad) / min(good, bad))
    return {"desirable_weight" if good < bad else "undesirable_weight": heavier}


def build(setup: Setup) -> Any:
    """TRL's trainer of unpaired answers."""
    recipe, begun = setup.recipe, started(setup)
    fits = fitting(rows_of(setup.dataset), begun["processing_class"], setup)
    answers = [each for row in fits for each in unpaired(row)]
    prompts = [json.dumps(each["prompt"], sort_keys=True) for each in answers]
    rows = Rows.from_list([answers[place] for place in apart(prompts, setup.batch, recipe.seed)])
    rows = seen_by_all(rows, setup.folder, recipe)
    steps = int(math.ceil(len(rows) / recipe.batch_size) * recipe.epochs)
    args = KTOConfig(
        **setup.shared(steps),
        beta=recipe.beta,
        **weights_of(rows["label"]),
        max_length=recipe.max_length,
        precompute_ref_log_probs=recipe.weights == "full",  # or a second whole model would lie beside it
    )
    return ballasted(KTOTrainer, setup)(
        args=args,
        train_dataset=rows,
        **begun,
        callbacks=[setup.watch],
    )
