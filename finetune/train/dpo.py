"""Direct preference optimisation with TRL, and TRL's other losses over pairs, alone or mixed.

The reference is what the training starts from (`start`). Each training sees all pairs ever kept: from the bare base
model nothing drifts from version to version.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from datasets import Dataset as Rows
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from finetune.errors import TrainingFailed, reason
from finetune.pairs.dataset import Dataset
from finetune.pairs.pair import content_text
from finetune.train.ballast import ballasted
from finetune.train.contract import Recipe
from finetune.train.lengths import fitting
from finetune.train.processes import seen_by_all
from finetune.train.setup import Setup
from finetune.train.start import started
from finetune.train.watching import Heeding

COLUMNS = ("prompt", "chosen", "rejected", "completion", "label")


def build(setup: Setup) -> Any:
    """TRL's trainer of preferences, over the dataset's pairs."""
    recipe = setup.recipe
    begun = started(setup)
    rows = fitting(rows_of(setup.dataset), begun["processing_class"], setup)
    rows = seen_by_all(rows, setup.folder, recipe)
    collator = DataCollatorForPreference(begun["processing_class"].pad_token_id, max_length=recipe.max_length)
    return ballasted(DPOTrainer, setup)(
        args=arguments(setup, len(rows)),
        train_dataset=rows,
        **begun,
        data_collator=Heeding(collator, setup.watch, math.ceil(len(rows) / setup.batch)),
        callbacks=[setup.watch],
    )


def arguments(setup: Setup, pairs: int) -> DPOConfig:
    """TRL's arguments."""
    recipe = setup.recipe
    losses = losses_of(recipe)
    return DPOConfig(
        **setup.shared(int(math.ceil(pairs / recipe.batch_size) * recipe.epochs)),
        beta=recipe.beta,
        max_length=recipe.max_length,
        loss_type=list(losses),
        loss_weights=list(losses.values()),
        label_smoothing=recipe.label_smoothing,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,  # or it would lose the lengths
        precompute_ref_log_probs=True,  # the reference never changes: one look at each pair will do
    )


def losses_of(recipe: Recipe) -> dict[str, float]:
    """The losses and their weights; without a mix of its own, a recipe has DPO's and a little of the likelihood's."""
    if recipe.losses:
        return {str(name): weight for name, weight in recipe.losses.items()}
    return {"sigmoid": 1.0} | ({"sft": recipe.sft_weight} if recipe.sft_weight else {})


def rows_of(dataset: Dataset) -> Rows:
    """The dataset's rows in TRL's columns, those that it has: of pairs the first three, null in ratings beside them."""
    lines = [json.loads(line) for line in dataset.path.read_bytes().splitlines()]
    if not lines:
        raise TrainingFailed(f"{dataset.path} holds no pairs")
    columns = [column for column in COLUMNS if any(column in line for line in lines)]
    rows = [{column: line.get(column) for column in columns} | {"length": characters(line)} for line in lines]
    try:
        return Rows.from_list(rows)
    except (TypeError, ValueError) as error:
        raise TrainingFailed(
            f"{dataset.path} holds pairs that do not go together: {reason(error)}"
        ) from error


def characters(line: Mapping[str, Any]) -> int:
    """About how long a row is: pairs of a length are batched together, so that little is padding."""
    said = (line[side] for side in ("chosen", "rejected", "completion") if side in line)
    asked = sum(len(content_text(message.get("content"))) for message in line["prompt"])
    return asked + max((len(turns[-1]["content"]) for turns in said), default=0)
