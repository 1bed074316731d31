"""Supervised fine-tuning on the chosen answers alone: the first stage of the classic pipeline, and a baseline."""

import math
from typing import Any

from datasets import Dataset as Rows
from trl import SFTConfig, SFTTrainer

from finetune.train.ballast import ballasted
from finetune.train.dpo import rows_of
from finetune.train.lengths import fitting
from finetune.train.setup import Setup
from finetune.train.start import started


def build(setup: Setup) -> Any:
    """TRL's supervised trainer; the loss is of the answer alone."""
    recipe, begun = setup.recipe, started(setup)
    pairs = fitting(rows_of(setup.dataset), begun["processing_class"], setup)
    rows = Rows.from_list([{"prompt": row["prompt"], "completion": row["chosen"]} for row in pairs])
    steps = int(math.ceil(len(rows) / recipe.batch_size) * recipe.epochs)
    args = SFTConfig(**setup.shared(steps), max_length=recipe.max_length, completion_only_loss=True)
    return ballasted(SFTTrainer, setup)(
        args=args,
        train_dataset=rows,
        **begun,
        callbacks=[setup.watch],
    )
