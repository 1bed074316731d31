"""What a gateway is told: one YAML file and `TRIMTAB_*` variables over it, read once, then passed around.

SettingsInvalid     a value is unknown or malformed; the message names each, and never repeats a value
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, SettingsConfigDict

PREFIX = "TRIMTAB_"
# Sections of the same file, and beginnings of variables, that other parts of Trimtab read.
SECTIONS_OF_OTHERS = ("demo", "finetune", "pocket", "rewardserve")
VARIABLES_OF_OTHERS = [
    "CONFIG",
    "DATA",
    "DEMO",
    "FINETUNE",
    "KEY",
    "POCKET",
    "REWARD",
    "REWARDSERVE",
    "TEST",
    "UP",
    "URL",
]

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+\S*$")]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class SettingsInvalid(Exception):
    """A value is unknown or malformed."""


class Section(BaseModel):
    """A nested group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Listener(Section):
    """Where a listener binds; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]


class EngineSettings(Section):
    """One replica of the policy model: an OpenAI-compatible server, its `/v1` included in the URL."""

    name: str = "engine"
    url: Url = "http://127.0.0.1:8000/v1"
    api_key: SecretStr | None = None


class RewardSettings(Section):
    """The reward server; without a URL, best-of-n is refused rather than guessed."""

    url: Url | None = None
    timeout_seconds: Positive = 10.0


class GuardSettings(Section):
    """The guard policy's document; None is the bundled one."""

    policy: Path | None = None


class LedgerSettings(Section):
    """Where exchanges are kept; None means in the home directory."""

    url: str | None = None
    journal: Path | None = None
    sample_rate: Share = 1.0  # of unflagged exchanges; flagged ones are always kept


class AlignmentSettings(Section):
    """What a request gets that does not ask."""

    strategy: Literal["single", "best_of_n"] = "single"
    n: Count = 4  # candidates of best_of_n


class Limits(Section):
    """Bounds on what one request, and all requests together, may take."""

    max_n: Count = 16
    max_body_bytes: Count = 2 * 1024 * 1024
    max_admin_body_bytes: Count = 4 * 1024 * 1024
    max_messages: Count = 2048
    max_texts: Count = (
        4096  # that guards read of one request: contents, their parts, tool calls, tool definitions
    )
    request_timeout_seconds: Positive = 300.0
    stream_stall_seconds: Positive = 60.0
    connect_timeout_seconds: Positive = 5.0
    concurrent_requests: Count = 1024
    shutdown_seconds: Positive = 20.0


class GatewaySettings(BaseSettings):
    """Everything a gateway is told."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    home: Path = Path(".trimtab")
    listen: Listener = Listener(port=8080)
    admin: Listener = Listener(port=8081)
    engines: Annotated[tuple[EngineSettings, ...], Field(min_length=1)] = (EngineSettings(),)
    base_model: str = "base"  # the engine's own name for the policy model
    alias: str = "assistant"  # the name that clients ask for
    reward: RewardSettings = RewardSettings()
    guards: GuardSettings = GuardSettings()
    ledger: LedgerSettings = LedgerSettings()
    alignment: AlignmentSettings = AlignmentSettings()
    limits: Limits = Limits()
    metrics_public: bool = True  # whether /metrics on the data plane's listener needs no key
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _consistent(self) -> "GatewaySettings":
        names = [engine.name for engine in self.engines]
        if len(set(names)) < len(names):
            raise ValueError("engines: each needs a name of its own")
        if self.alignment.n > self.limits.max_n:
            raise ValueError("alignment.n is larger than limits.max_n")
        if self.alignment.strategy != "single" and self.reward.url is None:
            raise ValueError(f"alignment.strategy {self.alignment.strategy} needs reward.url")
        return self

    @property
    def ledger_url(self) -> str:
        """The ledger's SQLAlchemy URL."""
        return self.ledger.url or f"sqlite+aiosqlite:///{self.home.absolute() / 'ledger.db'}"

    @property
    def journal_dir(self) -> Path:
        """Where flagged exchanges are made durable first; on a local disk."""
        return self.ledger.journal or self.home / "journal"


def load_settings(config: Path | None = None, **overrides: Any) -> GatewaySettings:
    """Arguments first, then the environment, then the file: `config`, TRIMTAB_CONFIG or ./trimtab.yaml."""
    _refuse_unknown_variables()
    document = _document(config)

    class Configured(GatewaySettings):
        @classmethod
        def settings_customise_sources(cls, settings_cls: type[BaseSettings], *_: Any, **sources: Any) -> Any:
            in_file = InitSettingsSource(settings_cls, document)
            return sources["init_settings"], sources["env_settings"], in_file

    try:
        return Configured(**overrides)
    except ValidationError as error:
        raise SettingsInvalid(_explained(error)) from None  # the cause repeats values; some are keys
    except ValueError as error:
        raise SettingsInvalid(f"a TRIMTAB_ variable is not JSON where it must be: {error}") from None


def _refuse_unknown_variables() -> None:
    known = {name.upper() for name in GatewaySettings.model_fields}
    for variable in os.environ:
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX)
        if name.split("__")[0] not in known and name.split("_")[0] not in VARIABLES_OF_OTHERS:
            raise SettingsInvalid(f"{variable} is no setting; known are {', '.join(sorted(known))}")


def _document(config: Path | None) -> dict[str, Any]:
    named = config or os.environ.get(f"{PREFIX}CONFIG")
    path = Path(named or "trimtab.yaml")
    if not path.is_file():
        if named:
            raise SettingsInvalid(f"there is no configuration file {path}")
        return {}
    try:
        document = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise SettingsInvalid(f"{path} cannot be read as YAML: {error}") from None
    if not isinstance(document, dict):
        raise SettingsInvalid(f"{path} must hold settings by name, not a {type(document).__name__}")
    return {str(name): value for name, value in document.items() if name not in SECTIONS_OF_OTHERS}


def _explained(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg']}" for each in error.errors()
    )
