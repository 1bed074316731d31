"""A recipe's file: the fields of `finetune.recipe`, checked before anything begins; a fault says where it stands."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from finetune.errors import RecipeInvalid
from finetune.train.contract import POCKET, Recipe
from guards.policy.source import Marks, mark_of, parse
from guards.verdict import PolicyRefused
from guards.wording import worded

RECIPE: TypeAdapter[Recipe] = TypeAdapter(Recipe)


@dataclass(frozen=True, slots=True)
class Written:
    """A recipe as it was written, and with every field filled in."""

    name: str
    path: Path
    fields: Mapping[str, Any]  # those that were written
    recipe: Recipe


def read_recipe(told: str) -> Written:
    """The recipe of a file, or the bundled one of a name; raises RecipeInvalid."""
    path = place_of(told)
    try:
        text = path.read_text(encoding="utf-8")
        fields, marks = parse(text, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeInvalid(f"{path} cannot be read: {error}") from None
    except PolicyRefused as refused:
        raise RecipeInvalid(str(refused)) from None
    if not isinstance(fields, dict) or not fields:
        raise RecipeInvalid(f"{path}:1: a recipe holds fields by name, such as method: dpo")
    return Written(path.stem, path, fields, checked(fields, marks))


def checked(fields: Mapping[str, Any], marks: Marks) -> Recipe:
    """The whole recipe: of the packaged model those of its own, unless another base is named."""
    others = {} if fields.get("base") else asdict(POCKET)
    try:
        return RECIPE.validate_python({**others, **fields})
    except ValidationError as error:
        faults = [located(each, marks) for each in error.errors(include_url=False)]
        raise RecipeInvalid("\n".join(dict.fromkeys(faults))) from None


def located(fault: Any, marks: Marks) -> str:
    """One fault, with where it stands and in which field."""
    place, told = tuple(fault["loc"]), worded(fault, Recipe)
    if not place:  # of fields together: the sentence begins with the one to change
        field, _, told = told.partition(": ")
        place = (field,)
    named = tuple(step for step in place if step != "[key]")
    return f"{mark_of(named, marks)}: {'.'.join(map(str, named))}: {told}"


def place_of(told: str) -> Path:
    """Where a recipe lies; raises RecipeInvalid."""
    path, known = Path(told), {each.stem: each for each in bundled()}
    if path.is_file():
        return path
    if told in known:
        return known[told]
    raise RecipeInvalid(
        f"there is no file {told}, and no bundled recipe of this name; bundled are {', '.join(known)}"
    )


def bundled() -> Iterator[Path]:
    """The recipes that come with Trimtab, by name."""
    folder = Path(str(files("finetune") / "recipes" / "bundled"))
    yield from sorted(folder.glob("*.yaml"), key=lambda path: path.stem)


def summary_of(path: Path) -> str:
    """What a bundled recipe is for: its first line."""
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
