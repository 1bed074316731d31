"""The guard model: a model that was trained to judge, behind any engine that speaks OpenAI's dialect."""

import hashlib
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from guards.detectors.asking import AskingGuard, EngineConfig
from guards.detectors.hazard_names import NamedHazard
from guards.kinds import Reach
from guards.models.families import made
from guards.models.family import Family
from guards.models.taxonomy import VERSION
from guards.verdict import Where

PROMPTS_VERSION = 1  # counts up whenever a family is asked, or read, in another way
OPTIONS = (
    *("version", "mode", "categories", "risks", "criteria", "requirements", "guidelines", "policy", "hazard"),
    *("think", "effort", "samples", "refusal_hazard"),
)
Words = Annotated[str, Field(min_length=1, max_length=20_000)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class GuardModelConfig(EngineConfig):
    """A family and its options; of these each family has its own."""

    family: Literal[
        "llama_guard",
        "wildguard",
        "shieldgemma",
        "granite_guardian",
        "qwen3guard",
        "nemoguard",
        "gpt_oss_safeguard",
    ]
    version: str | None = None
    mode: Literal["strict", "loose"] | None = None
    categories: Names | None = None
    risks: tuple[str, ...] | None = None
    criteria: dict[NamedHazard, Words] | None = None
    requirements: dict[NamedHazard, Words] | None = None
    guidelines: dict[NamedHazard, Words] | None = None
    policy: Words | None = None
    hazard: NamedHazard | None = None
    think: bool | None = None
    effort: Literal["low", "medium", "high"] | None = None
    samples: int | None = None
    refusal_hazard: NamedHazard | None = None

    @model_validator(mode="after")
    def understood(self) -> Self:
        """Refuses options that the family has not, or does not understand."""
        self.asked()
        return self

    def asked(self) -> Family:
        """The family with its options."""
        told: dict[str, Any] = {name: getattr(self, name) for name in OPTIONS}
        return made(self.family, {name: value for name, value in told.items() if value is not None})


class GuardModel:
    """The kind `guard_model`."""

    config = GuardModelConfig

    def hazards(self, config: GuardModelConfig, where: Where) -> frozenset[str]:
        """What the family can report; of a prompt's turns some are the assistant's."""
        return config.asked().hazards(where)

    def located(self, config: GuardModelConfig) -> frozenset[str]:
        """None: it judges a text as a whole."""
        return frozenset()

    def reach(self, config: GuardModelConfig, hazards: frozenset[str]) -> Reach:
        """It judges whatever it is given."""
        return Reach()

    def revision(self, config: GuardModelConfig) -> str:
        """A hash of how its models are asked and understood; which weights answer is the service's matter."""
        return hashlib.sha256(f"{config.family} {PROMPTS_VERSION} {VERSION}".encode()).hexdigest()

    def build(self, name: str, config: GuardModelConfig) -> AskingGuard:
        """The guard; nothing is asked yet."""
        return AskingGuard(name, config, config.asked())
