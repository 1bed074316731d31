"""What an engine would refuse about a whole model, found before it is asked: what the gateway looks at, and sameness.

A model that was trained by steps too small for its type of number is its base again, to the bit.
"""

from pathlib import Path

import numpy as np

from gateway.admin.weights.files import shards_of, tensors_of
from gateway.admin.weights.fitting import check_fits, numbers_of, refuse_broken_numbers
from gateway.errors import BadRequest, Conflict


def model_faults(folder: Path, base: str) -> dict[str, str]:
    """Every fault by its code; of a base that lies elsewhere nothing is compared."""
    try:
        if not Path(base).is_dir():
            refuse_broken_numbers(folder, tensors_of(folder), seconds=120.0)
            return {}
        check_fits(folder, Path(base))
        changed = differs(folder, Path(base))
    except BadRequest as error:
        return {"unreadable": f"{folder.name} is no model: {error}"}
    except Conflict as error:
        return {"shapes": str(error)}
    return {} if changed else {"zero": "it changes nothing: every weight is the base model's"}


def differs(folder: Path, base: Path) -> bool:
    """Whether any tensor differs from the base's of the same name; looks no further than the first."""
    theirs = {name: numbers for file in shards_of(base) for name, numbers, _ in numbers_of(base / file)}
    return any(
        not np.array_equal(numbers, theirs[name])
        for file in shards_of(folder)
        for name, numbers, _ in numbers_of(folder / file)
    )
