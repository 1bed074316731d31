"""Whether the rows of a step can be shared out among processes. Pure."""

from finetune.train.contract import FEWEST_ROWS, Recipe


def unshareable(recipe: Recipe, field: str, count: int) -> str | None:
    """Why so many processes cannot share a step, naming their setting; None where they can."""
    if recipe.batch_size % count:
        return f"{field}: {count} must divide recipe.batch_size, {recipe.batch_size}"
    fewest = FEWEST_ROWS.get(recipe.method, 1)
    if recipe.batch_size // count < fewest:
        told = f"{recipe.method} needs {fewest} rows of recipe.batch_size, {recipe.batch_size}, for each"
        return f"{field}: {told}; raise that, or lower this"
    return None
