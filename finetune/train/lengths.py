"""Which rows are short enough to be learnt: TRL leaves out, without a word, those of whose answer nothing is left."""

from typing import Any

from datasets import Dataset as Rows

from finetune.errors import TrainingFailed
from finetune.train.setup import Setup


def fitting(rows: Rows, tokenizer: Any, setup: Setup) -> Rows:
    """The rows whose prompt, as the template has it, leaves room for an answer; how many do not is told.

    Raises TrainingFailed where none is left, or fewer pairs than the job asks for.
    """
    most = setup.recipe.max_length
    kept = [place for place, row in enumerate(rows) if tokens_in(tokenizer, row["prompt"]) < most]
    left_out = setup.watch.left_out = len(rows) - len(kept)
    if not left_out:
        return rows
    told = f"{left_out} of {len(rows)} rows are left out: their prompt alone has recipe.max_length, {most}, tokens"
    fits = rows.select(kept)
    pairs = sum(label is None for label in fits["label"]) if "label" in fits.column_names else len(kept)
    if not kept or pairs < setup.job.fewest:
        need = (
            f"{pairs} pairs would be left, and {setup.job.fewest} are needed"
            if kept
            else "none would be left"
        )
        raise TrainingFailed(f"{told} or more, and {need}: raise recipe.max_length")
    setup.watch.progress.advanced(0, len(kept), f"{told} or more")
    return fits


def tokens_in(tokenizer: Any, prompt: Any) -> int:
    """How many tokens a prompt has before an answer begins."""
    said = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True, return_dict=True)
    return len(said["input_ids"])
