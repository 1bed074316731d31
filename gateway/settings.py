"""What a gateway is told: one YAML file and `TRIMTAB_*` variables over it, read once, then passed around.

SettingsInvalid     a value is unknown or malformed; the message names each, and never repeats a value
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, SettingsConfigDict

from gateway.alignment_settings import AlignmentSettings
from gateway.amounts import Count, Positive, Share
from gateway.artifacts.settings import ArtifactSettings
from gateway.engines.contract import Capability
from gateway.misread import Source, nearest
from gateway.strategies import STRATEGIES
from guards.settings import HeaderLine, HeaderName, ServiceName, ServiceSettings

PREFIX = "TRIMTAB_"
NOTHING: Mapping[str, Any] = {}
# Sections of the same file, and beginnings of variables, that other parts of Trimtab read.
SECTIONS_OF_OTHERS = ("demo", "finetune", "pocket", "rewardserve")
VARIABLES_OF_CLIENTS = ("ADMIN_KEY", "ADMIN_URL")  # of commands that ask a running gateway
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


class SettingsInvalid(Exception):
    """A value is unknown or malformed."""


def _http(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", url):
        raise ValueError("must be a URL that begins with http:// or https://")
    return url


Url = Annotated[str, AfterValidator(_http)]


def _checked_ledger(url: str) -> str:
    """As it is told, since it must not be shown; an empty one, as an empty variable, is none."""
    from gateway.ledger.url import read_url  # noqa: PLC0415 - SQLAlchemy takes long, and --help stays instant

    if url:
        read_url(url)
    return url


HeadName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
LedgerUrl = Annotated[str, AfterValidator(_checked_ledger)]


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
    headers: dict[HeaderName, HeaderLine] = {}  # that its provider wants beside the key's
    models: dict[str, str] = {}  # our names for models → its own, where they differ
    serves: tuple[Capability, ...] | None = None  # what it can do, all of it; None lets the gateway find out
    managed: bool = False  # whether the gateway may pause it and reload its weights: vLLM in development mode


class EmbeddingSettings(Section):
    """An OpenAI-compatible server for embeddings, its `/v1` included in the URL, and the models asked of it."""

    url: Url
    api_key: SecretStr | None = None
    models: Annotated[dict[str, str], Field(min_length=1)]  # the name that clients ask for: the server's own


class RewardSettings(Section):
    """The reward server; without a URL, strategies that need rewards are refused rather than guessed at."""

    url: Url | None = None
    timeout_seconds: Positive = 10.0
    heads: tuple[
        HeadName, ...
    ] = ()  # that its model scores by, beside the reward itself: what a dial may weigh
    # What chooses when it fails: the first safe candidate; or the surest, for which logprobs are asked of the engine
    # with every request that is ranked; or the answer of most.
    fallback: Literal["first_safe", "self_certainty", "majority"] = "first_safe"


class GuardSettings(Section):
    """The guard policy's document, None being the bundled one, and the services that policies may name."""

    policy: Path | None = None
    services: dict[ServiceName, ServiceSettings] = {}


class LedgerSettings(Section):
    """Where exchanges are kept; None means in the home directory."""

    url: LedgerUrl | None = None
    journal: Path | None = None
    journal_limit_mb: Annotated[int, Field(ge=32)] = 1024  # MiB; at it, flagged requests are refused
    sample_rate: Share = 1.0  # of unflagged exchanges; flagged ones are always kept


class ResponseSettings(Section):
    """Answers of the Responses API, which their clients may fetch, delete and go on from."""

    keep_days: Positive = 30.0
    max_bytes: Count = 4 * 1024 * 1024  # of one with its input; a larger one is given and not kept


class Limits(Section):
    """Bounds on what one request, and all requests together, may take."""

    max_n: Count = 16
    max_body_bytes: Count = 2 * 1024 * 1024
    max_admin_body_bytes: Count = 4 * 1024 * 1024
    max_head_bytes: Count = 64 * 1024  # of a request's path and headers
    head_seconds: Positive = 20.0  # for these to arrive
    body_seconds: Positive = 60.0  # for a body to arrive, then
    max_messages: Count = 2048
    max_texts: Count = (
        4096  # that guards read of one request: contents, their parts, tool calls, tool definitions
    )
    assumed_completion_tokens: Count = 1024  # of a candidate, for limits, where the client sets no max_tokens
    redis_url: SecretStr | None = None  # where gateways count rates of keys together; None: each by itself
    # Addresses that parts of a message may hold, for the engine to fetch: none but data: URLs, or http(s) ones too.
    part_urls: Literal["data", "any"] = "data"
    request_timeout_seconds: Positive = 300.0
    first_byte_timeout_seconds: Positive = 60.0  # of one try; then another replica is asked for the stream
    stream_stall_seconds: Positive = 60.0  # in which an engine says nothing, or a client takes nothing
    connect_timeout_seconds: Positive = 5.0
    concurrent_requests: Count = 1024  # answered at once, by each worker; behind them
    queued_requests: Annotated[int, Field(ge=0)] = 256  # wait, each
    queue_seconds: Positive = 10.0  # at most
    shed_above: Share = 0.75  # of concurrent_requests: beyond it best-of-n samples fewer candidates
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
    embeddings: EmbeddingSettings | None = None  # without it, the policy engines are asked
    reward: RewardSettings = RewardSettings()
    guards: GuardSettings = GuardSettings()
    ledger: LedgerSettings = LedgerSettings()
    artifacts: ArtifactSettings = ArtifactSettings()
    responses: ResponseSettings = ResponseSettings()
    alignment: AlignmentSettings = AlignmentSettings()
    limits: Limits = Limits()
    metrics_public: bool = True  # whether /metrics on the data plane's listener needs no key
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # Told by whoever starts several processes on one port, and not by people.
    worker: int | None = None
    workers: Count = 1
    metrics_dir: Path | None = None  # where workers keep the metrics that they share

    @model_validator(mode="after")
    def _consistent(self) -> "GatewaySettings":
        names = [engine.name for engine in self.engines]
        if len(set(names)) < len(names):
            raise ValueError("engines: each needs a name of its own")
        for name in ("n", "n_at_risk"):
            if (getattr(self.alignment, name) or 0) > self.limits.max_n:
                raise ValueError(f"alignment.{name} is larger than limits.max_n")
        if STRATEGIES[self.alignment.strategy].rewarded == "needed" and self.reward.url is None:
            raise ValueError(f"alignment.strategy {self.alignment.strategy} needs reward.url")
        return self

    @property
    def ledger_url(self) -> str:
        """The ledger's SQLAlchemy URL."""
        return self.ledger.url or f"sqlite+aiosqlite:///{self.home.absolute() / 'ledger.db'}"

    @property
    def journal_limit_bytes(self) -> int:
        """How much the journal may hold for a database that is away."""
        return self.ledger.journal_limit_mb << 20

    @property
    def journal_dir(self) -> Path:
        """Where flagged exchanges are made durable first; on a local disk."""
        return self.ledger.journal or self.home / "journal"

    def journal_dir_of(self, worker: int) -> Path:
        """The same for one of several workers, of which each has its own."""
        return self.journal_dir / f"worker-{worker}"


def load_settings(
    config: Path | None = None, *, defaults: Mapping[str, Any] = NOTHING, **overrides: Any
) -> GatewaySettings:
    """Arguments come first, then the environment, the file (`config`, TRIMTAB_CONFIG or ./trimtab.yaml), `defaults`."""
    _refuse_unknown_variables()
    document = _document(config)

    class Configured(GatewaySettings):
        @classmethod
        def settings_customise_sources(cls, settings_cls: type[BaseSettings], *_: Any, **sources: Any) -> Any:
            in_file = InitSettingsSource(settings_cls, document)
            beneath = InitSettingsSource(settings_cls, dict(defaults))
            return sources["init_settings"], sources["env_settings"], in_file, beneath

    try:
        return Configured(**overrides)
    except ValidationError as error:
        source = Source(GatewaySettings, PREFIX, _file(config), document, os.environ)
        raise SettingsInvalid(
            source.told(error.errors())
        ) from None  # the cause repeats values; some are keys
    except ValueError as error:
        raise SettingsInvalid(f"a TRIMTAB_ variable is not JSON where it must be: {error}") from None


def _refuse_unknown_variables() -> None:
    known = {name.upper() for name in GatewaySettings.model_fields}
    for variable in os.environ:
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX)
        others = name in VARIABLES_OF_CLIENTS or name.split("_")[0] in VARIABLES_OF_OTHERS
        if name.split("__")[0] not in known and not others:
            meant = nearest(variable, PREFIX, GatewaySettings)
            told = f"{variable} is no setting" + (f"; {meant} is one" if meant else "")
            raise SettingsInvalid(f"{told}; known are {', '.join(sorted(known))}")


def _file(config: Path | None) -> Path:
    return Path(config or os.environ.get(f"{PREFIX}CONFIG") or "trimtab.yaml")


def _document(config: Path | None) -> dict[str, Any]:
    named, path = config or os.environ.get(f"{PREFIX}CONFIG"), _file(config)
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
