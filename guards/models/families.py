"""The families of guard models by name, and how one is made of its options."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from guards.models.family import Family
from guards.models.llama_guard import LlamaGuard
from guards.models.qwen3guard import Qwen3Guard

FAMILIES: Mapping[str, Callable[..., Family]] = {
    "llama_guard": LlamaGuard,
    "qwen3guard": Qwen3Guard,
}


def options_of(family: str) -> frozenset[str]:
    """The options that a family has."""
    return frozenset(one.name for one in fields(FAMILIES[family]))  # type: ignore[arg-type]


def made(family: str, options: Mapping[str, Any]) -> Family:
    """The family with its options; ValueError says which it has not, or what is wrong with one."""
    own = options_of(family)
    if wrong := sorted(options.keys() - own):
        raise ValueError(
            f"{', '.join(wrong)}: no option of {family}; its options are {', '.join(sorted(own))}"
        )
    return FAMILIES[family](**options)
