"""The families of guard models by name, and how one is made of its options."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from guards.models.family import Family
from guards.models.gpt_oss_safeguard import GptOssSafeguard
from guards.models.granite_guardian import GraniteGuardian
from guards.models.llama_guard import LlamaGuard
from guards.models.nemoguard import NemoGuard
from guards.models.qwen3guard import Qwen3Guard
from guards.models.shieldgemma import ShieldGemma
from guards.models.wildguard import WildGuard

FAMILIES: Mapping[str, Callable[..., Family]] = {
    "llama_guard": LlamaGuard,
    "wildguard": WildGuard,
    "shieldgemma": ShieldGemma,
    "granite_guardian": GraniteGuardian,
    "qwen3guard": Qwen3Guard,
    "nemoguard": NemoGuard,
    "gpt_oss_safeguard": GptOssSafeguard,
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
