"""The judge: any instructed model behind an engine, with the operator's own rules."""

import hashlib
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from guards.detectors.asking import AskingGuard, EngineConfig
from guards.detectors.hazard_names import NamedHazard
from guards.kinds import Reach
from guards.models.judge import Judged
from guards.verdict import Where

PROMPT_VERSION = 1  # counts up whenever a judge is asked, or read, in another way
OURS = frozenset({"model", "messages", "n", "stream", "logprobs", "top_logprobs"})
Word = Annotated[str, StringConstraints(pattern=r"^[^\W_]{1,20}$")]


class JudgeConfig(EngineConfig):
    """The rules, the hazard that a breach of them is, and the two words that a judge may say."""

    hazard: NamedHazard
    instructions: Annotated[str, Field(min_length=1, max_length=20_000)]
    principles: tuple[Annotated[str, Field(min_length=1, max_length=2000)], ...] = ()
    yes: Word = "YES"
    no: Word = "NO"
    think: bool = False
    samples: Annotated[int, Field(ge=1, le=16)] = 1
    body: dict[str, Any] = Field(default_factory=dict)

    @field_validator("body")
    @classmethod
    def only_beside(cls, body: dict[str, Any]) -> dict[str, Any]:
        """Refuses fields that are this guard's own to fill."""
        if taken := sorted(body.keys() & OURS):
            raise ValueError(f"{', '.join(taken)} cannot be set here: the guard itself does")
        return body

    @model_validator(mode="after")
    def told_apart(self) -> Self:
        """Refuses two words that one first token could begin."""
        yes, no = self.yes.lower(), self.no.lower()
        if yes.startswith(no) or no.startswith(yes):
            raise ValueError(
                "yes and no: one begins with the other, and could not be told from it; choose others"
            )
        return self


class Judge:
    """The kind `judge`."""

    config = JudgeConfig

    def hazards(self, config: JudgeConfig, where: Where) -> frozenset[str]:
        """The one that its rules are about."""
        return frozenset({config.hazard})

    def located(self, config: JudgeConfig) -> frozenset[str]:
        """None: it judges a text as a whole."""
        return frozenset()

    def reach(self, config: JudgeConfig, hazards: frozenset[str]) -> Reach:
        """It judges whatever it is given."""
        return Reach()

    def revision(self, config: JudgeConfig) -> str:
        """A hash of how judges are asked; which weights answer is the service's matter."""
        return hashlib.sha256(f"judge {PROMPT_VERSION}".encode()).hexdigest()

    def build(self, name: str, config: JudgeConfig) -> AskingGuard:
        """The guard; nothing is asked yet."""
        fields = ("hazard", "instructions", "principles", "yes", "no", "think", "samples", "body")
        return AskingGuard(name, config, Judged(**{one: getattr(config, one) for one in fields}))
