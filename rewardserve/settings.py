"""The reward server's settings: `TRIMTAB_REWARDSERVE_*`, read once; a wrong or unknown one is refused."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from rewardserve.batch import BatchLimits
from rewardserve.scorer import Dtype, ModelSpec

PREFIX = "TRIMTAB_REWARDSERVE_"
Positive = Annotated[int, Field(ge=1)]


class SettingsRefused(ValueError):
    """The environment or the command line holds a value that cannot be used; the message names it."""


class RewardSettings(BaseSettings):
    """Everything that an operator can set; the command line wins over the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    model: str = Field(default_factory=lambda: str(files("rewardserve") / "pocket"))
    served_name: str | None = None
    backend: str = "transformers"
    device: str = "auto"
    dtype: Dtype = "auto"
    label_index: Annotated[int, Field(ge=0)] | None = None
    max_tokens: Positive | None = None
    cpu_threads: Positive | None = None
    chat_template: Path | None = None
    system_messages: Literal["keep", "drop"] = "keep"
    prefix_sharing: bool = True
    heads: dict[str, Annotated[int, Field(ge=0)]] | Literal["config"] = {}  # a JSON object in the environment
    weights: dict[str, float] = {}
    trust_remote_code: bool = False
    url: str | None = None
    api_key: str | None = Field(default=None, repr=False)
    timeout_seconds: Annotated[float, Field(gt=0)] = 30.0
    options: dict[str, Any] = {}  # a JSON object in the environment
    ensemble: Path | None = None  # its document; then `model` and `backend` are those of its members
    calibration: Path | None = None
    probe: Path | None = None  # a recorded one
    probe_seconds: Annotated[float, Field(gt=0)] = 3600.0

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8083
    batch_items: Positive = 64
    batch_padded_tokens: Positive = 16_384
    queue_items: Positive = 4_096
    max_body_bytes: Positive = 16 * 1024 * 1024
    workers: Annotated[int, Field(ge=1, le=64)] = (
        1  # each loads the model, on an accelerator of its own if it can
    )
    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 25.0  # for those who wait when the server stops
    admin_key: Annotated[SecretStr, Field(min_length=16)] | None = None  # whose bearer may reload

    @property
    def spec(self) -> ModelSpec:
        """The model to load, and how."""
        names = ModelSpec.__dataclass_fields__.keys() & RewardSettings.model_fields.keys()
        return ModelSpec(**{name: getattr(self, name) for name in names})

    @property
    def limits(self) -> BatchLimits:
        """What a batch and the queue may hold."""
        return BatchLimits(self.batch_items, self.batch_padded_tokens, self.queue_items)


def read_settings(**given: Any) -> RewardSettings:
    """The settings from the environment, with what the command line gave; raises SettingsRefused."""
    refuse_unknown(os.environ)
    try:
        return RewardSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        lines = [f"{variable_of(found['loc'])}: {found['msg']}" for found in error.errors()]
        raise SettingsRefused("\n".join(dict.fromkeys(lines))) from error


def refuse_unknown(environment: Any) -> None:
    """Refuse variables under our prefix that set nothing: a misspelt setting must not be ignored."""
    names = {name.removeprefix(PREFIX) for name in environment if name.startswith(PREFIX)}
    known = {field.upper() for field in RewardSettings.model_fields}
    if unknown := sorted(names - known):
        raise SettingsRefused("\n".join(f"{PREFIX}{name}: there is no such setting" for name in unknown))


def variable_of(place: tuple[int | str, ...]) -> str:
    """The environment variable of the field at which validation failed."""
    return f"{PREFIX}{str(place[0]).upper()}"
