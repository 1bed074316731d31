"""The document of an ensemble: who is a member, how their rewards are put together, and what a failure means."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rewardserve.errors import ModelUnusable
from rewardserve.scorer import Dtype, ModelSpec

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
OF_THE_ENSEMBLE = {"name", "backend", "weight", "family", "mean", "sd"}


class Member(BaseModel):
    """One reward model of an ensemble; most fields are those of a model served alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    backend: str = "transformers"
    family: str = ""  # what it was trained from: members of one family err together
    weight: Annotated[float, Field(gt=0)] = 1.0
    mean: float = 0.0  # what it usually gives, until its route is known
    sd: Annotated[float, Field(gt=0)] = 1.0
    model: str
    device: str = "auto"
    dtype: Dtype = "auto"
    label_index: Annotated[int, Field(ge=0)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    cpu_threads: Annotated[int, Field(ge=1)] | None = None
    chat_template: Path | None = None
    system_messages: Literal["keep", "drop"] = "keep"
    prefix_sharing: bool = True
    trust_remote_code: bool = False
    url: str | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] = 30.0
    options: dict[str, Any] = Field(default_factory=dict)

    def spec(self, api_key: str | None) -> ModelSpec:
        """What its backend is asked to load; keys are never in the document."""
        given = {name: value for name, value in self if name not in OF_THE_ENSEMBLE}
        return ModelSpec(**given, api_key=api_key, served_name=self.name)


class EnsembleDocument(BaseModel):
    """An ensemble of at least two."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "ensemble"
    combine: Literal["mean", "worst", "uncertainty"] = "uncertainty"
    penalty: Annotated[float, Field(ge=0)] = (
        0.5  # how much a deviation among members costs, for `uncertainty`
    )
    members_needed: Annotated[int, Field(ge=1)] | None = None  # None: all of them
    routes: Annotated[int, Field(ge=1, le=100_000)] = 256  # of which moments are kept
    prior_candidates: Annotated[float, Field(gt=0)] = 16.0  # how many candidates the stated moments count as
    references: Path | None = None  # frozen moments, beside the document
    members: Annotated[list[Member], Field(min_length=2, max_length=16)]

    @model_validator(mode="after")
    def _consistent(self) -> "EnsembleDocument":
        counted = Counter(member.name for member in self.members)
        if twice := [name for name, count in counted.items() if count > 1]:
            raise ValueError(f"members: two are called {twice[0]!r}")
        if (self.members_needed or 1) > len(self.members):
            raise ValueError(f"members_needed: {self.members_needed} of {len(self.members)} members")
        return self

    @property
    def needed(self) -> int:
        """How many members must have given a reward."""
        return self.members_needed or len(self.members)

    def warnings(self) -> list[str]:
        """What an operator should know of a document that is valid."""
        families = {member.family for member in self.members}
        told = []
        if "" in families:
            told.append("some members state no family: whether their errors are independent cannot be seen")
        elif len(families) == 1:
            told.append(
                f"all members are of the family {next(iter(families))!r}: they were made from one model and err "
                "together, so their agreement says little. Take a second family"
            )
        return told


def read_document(path: Path) -> EnsembleDocument:
    """The document of a YAML file; raises ModelUnusable naming each field that is wrong."""
    try:
        document = EnsembleDocument.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelUnusable(f"the ensemble {path} cannot be read: {error}") from error
    except ValidationError as error:
        told = [f"{'.'.join(map(str, one['loc'])) or 'document'}: {one['msg']}" for one in error.errors()]
        raise ModelUnusable(f"the ensemble {path}: " + "; ".join(told)) from error
    return document
