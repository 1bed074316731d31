"""The processes that train together, as a launcher has started them; mostly there is one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from datasets import Dataset as Rows
from datasets import load_from_disk

from finetune.errors import FinetuneFailed
from finetune.train.contract import Recipe

T = TypeVar("T")


def together(recipe: Recipe) -> PartialState:
    """This process among the others; the first call joins them."""
    return PartialState(cpu=recipe.device == "cpu" or not torch.cuda.is_available())


def count_of(recipe: Recipe) -> int:
    """How many there are."""
    return int(together(recipe).num_processes)


def is_first(recipe: Recipe) -> bool:
    """Whether this is the one that tells of it, and writes."""
    return bool(together(recipe).is_main_process)


def seen_by_all(rows: Rows, folder: Path, recipe: Recipe) -> Rows:
    """The same rows in all processes: what TRL keeps beside them is looked for in one place, and not in each's own."""
    if count_of(recipe) == 1:
        return rows
    place = folder / "rows"
    by_the_first(recipe, lambda: rows.save_to_disk(str(place)))
    return load_from_disk(str(place))


def by_the_first(recipe: Recipe, work: Callable[[], T]) -> T:
    """What the first process makes, in all of them; its error is an error in all."""
    found: list[Any] = [None, None]
    if is_first(recipe):
        try:
            found = [work(), None]
        except (FinetuneFailed, OSError, ValueError, RuntimeError) as error:  # raised below, in every process
            found = [None, error]
    if count_of(recipe) > 1:
        broadcast_object_list(found)
    if found[1] is not None:
        raise found[1]
    result: T = found[0]
    return result
