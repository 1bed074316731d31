"""Where guards' services are told: `guards.services` of trimtab.yaml, TRIMTAB_GUARDS__SERVICES__… over it, NAME=URL.

The gateway reads the first two with its other settings; the command line, which needs no gateway, reads them here.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, SettingsConfigDict

from guards.services import Service, Services
from guards.verdict import GuardsError
from guards.wording import worded

PREFIX = "TRIMTAB_GUARDS__"
CONFIG = "TRIMTAB_CONFIG"
FRAMING = frozenset({"connection", "content-length", "content-type", "transfer-encoding"})


class ServicesInvalid(GuardsError):
    """A service is told wrongly; the message names the field, and never repeats a value."""


def _http(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url):
        raise ValueError("must be a URL that begins with http:// or https://, without a password or a query")
    return url


def _no_framing(name: str) -> str:
    if name.lower() in FRAMING:
        raise ValueError("the gateway itself says how a request is framed")
    return name


def _one_line(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isprintable():
        raise ValueError("a header's value must be one line of printable characters")
    return value


ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
# A header's name, those aside that frame a request, and a value that stays within its line.
HeaderName = Annotated[
    str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), AfterValidator(_no_framing)
]
HeaderLine = Annotated[SecretStr, AfterValidator(_one_line)]


class ServiceSettings(BaseModel):
    """One service. A secret stands here itself, or in a file, or in a variable that is named here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(_http)]  # of an engine with its /v1
    api_key: HeaderLine | None = None  # sent as a bearer token
    api_key_file: Path | None = None
    api_key_env: str | None = None
    signing_secret: HeaderLine | None = None  # a webhook's
    signing_secret_file: Path | None = None
    signing_secret_env: str | None = None
    headers: dict[HeaderName, HeaderLine] = {}
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    max_connections: Annotated[int, Field(ge=1, le=4096)] = 64

    @model_validator(mode="after")
    def readable(self) -> Self:
        """Refuses a secret that is told twice, or cannot be read, so that it shows at the start."""
        self.secret_of("api_key")
        self.secret_of("signing_secret")
        return self

    def secret_of(self, name: str) -> SecretStr | None:
        """A secret, wherever it is told; ValueError says what is wrong."""
        told, file, variable = (getattr(self, f"{name}{way}") for way in ("", "_file", "_env"))
        if sum(way is not None for way in (told, file, variable)) > 1:
            raise ValueError(f"{name}, {name}_file and {name}_env exclude each other; keep one")
        if file is not None:
            try:
                told = SecretStr(file.read_text("utf-8").strip())
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"{name}_file: {file} cannot be read") from error
        if variable is not None:
            if variable not in os.environ:
                raise ValueError(f"{name}_env: there is no variable {variable}")
            told = SecretStr(os.environ[variable].strip())
        if told is not None and not told.get_secret_value():
            raise ValueError(f"{name} is empty")
        return None if told is None else _one_line(told)

    def opened(self, name: str) -> Service:
        """The service as guards ask it."""
        return Service(
            name,
            self.url,
            key=self.secret_of("api_key"),
            secret=self.secret_of("signing_secret"),
            headers=self.headers,
            timeout_seconds=self.timeout_seconds,
            max_connections=self.max_connections,
        )


def services_of(told: Mapping[str, ServiceSettings]) -> Services:
    """The services that settings tell of."""
    return Services(settings.opened(name) for name, settings in told.items())


class GuardsSettings(BaseSettings):
    """The part of the settings' `guards` section that the command line needs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore")

    services: dict[ServiceName, ServiceSettings] = {}


def load_services(told: Sequence[str] = (), config: Path | None = None) -> Services:
    """NAME=URL first, then the environment, then the file: `config`, TRIMTAB_CONFIG or ./trimtab.yaml."""
    document = _document(config)

    class Configured(GuardsSettings):
        @classmethod
        def settings_customise_sources(cls, settings_cls: type[BaseSettings], *_: Any, **sources: Any) -> Any:
            return (
                sources["init_settings"],
                sources["env_settings"],
                InitSettingsSource(settings_cls, document),
            )

    try:
        return services_of(Configured(services=dict(map(_pair, told))).services)
    except ValidationError as error:
        raise ServicesInvalid(_explained(error)) from None  # the cause repeats values; some are keys
    except ValueError as error:
        raise ServicesInvalid(f"{PREFIX}SERVICES is not JSON where it must be") from error


def _pair(told: str) -> tuple[str, Any]:
    name, sign, url = told.partition("=")
    if not sign:
        raise ServicesInvalid("--service wants NAME=URL, such as guards=http://127.0.0.1:8000/v1")
    return name, {"url": url}


def _document(config: Path | None) -> dict[str, Any]:
    named = config or os.environ.get(CONFIG)
    path = Path(named or "trimtab.yaml")
    if not named and not path.is_file():
        return {}
    try:
        document = yaml.safe_load(path.read_text("utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ServicesInvalid(f"{path} cannot be read as YAML") from error
    guards = document.get("guards") if isinstance(document, dict) else None
    services = guards.get("services") if isinstance(guards, dict) else None
    return {"services": services} if services is not None else {}


def _explained(error: ValidationError) -> str:
    return "; ".join(
        f"guards.{'.'.join(str(step) for step in each['loc'] if step != '[key]')}: {worded(each, GuardsSettings)}"
        for each in error.errors()
    )
