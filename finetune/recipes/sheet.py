"""A recipe as it is shown: every field with its value, what it means, and whether it was written or is a default."""

from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

import yaml

from finetune.recipes.reading import RECIPE, Written

WIDTH = 24  # of a field, before what it means
ENDLESS = 10_000  # of a line of YAML, so that none is broken


@dataclass(frozen=True, slots=True)
class Shown:
    """One field of a recipe."""

    value: Any
    default: bool  # as it is unless the file says otherwise
    meaning: str | None


def fields_of(written: Written) -> dict[str, Shown]:
    """Every field: those that were written first, in their order."""
    told, values = RECIPE.json_schema()["properties"], asdict(written.recipe)
    names = [*written.fields, *(name for name in values if name not in written.fields)]
    return {
        name: Shown(values[name], name not in written.fields, told[name].get("description")) for name in names
    }


def sheet_of(written: Written) -> str:
    """A recipe's file in which every field stands, the defaults as comments: where one names a base, others hold."""
    lines = written.path.read_text(encoding="utf-8").splitlines()
    head = takewhile(lambda line: line.startswith("#"), lines)
    fields = fields_of(written).items()
    own = (line_of(name, each, WIDTH + 2) for name, each in fields if not each.default)
    others = (f"# {line_of(name, each, WIDTH)}" for name, each in fields if each.default)
    whose = (
        "a model of yours" if written.recipe.base else "the packaged model; where base is set, others hold"
    )
    told = ("", f"# Defaults of {whose}. To change one, take its # away.")
    return "\n".join([*head, *own, *told, *others]) + "\n"


def line_of(name: str, shown: Shown, width: int) -> str:
    """A field as YAML, and what it means."""
    value = yaml.safe_dump([shown.value], default_flow_style=True, sort_keys=False, width=ENDLESS).strip()[
        1:-1
    ]
    field = f"{name}: {value}"
    return f"{field:{width}}  # {shown.meaning}" if shown.meaning else field
