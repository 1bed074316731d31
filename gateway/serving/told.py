"""What the command line says of a gateway, as changes to its settings; pure but for looking at ports."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from gateway.settings import GatewaySettings, SettingsInvalid
from guards.policy.load import policy_file

NO_ENGINE = (
    "no engine is named, and a gateway alone answers nothing: say --engine http://127.0.0.1:8000/v1 --model NAME, "
    "or write `engines:` into trimtab.yaml; `trimtab up` brings a small engine of its own"
)


@dataclass(frozen=True, slots=True)
class Told:
    """The options of `trimtab gateway serve`; None and nothing leave a setting as it is."""

    engines: Sequence[str] = ()
    model: str | None = None
    host: str | None = None
    port: int | None = None
    admin_port: int | None = None
    policy: Path | None = None
    ledger: str | None = None
    home: Path | None = None

    def changes(self) -> dict[str, Any]:
        """The settings that they change, nested as `load_settings` takes them."""
        changes: dict[str, Any] = {}
        if self.engines:
            changes["engines"] = [
                {"name": f"engine-{number}", "url": engine_url(url)}
                for number, url in enumerate(self.engines, 1)
            ]
        if self.model is not None:
            changes |= {"alias": self.model, "base_model": self.model}
        if self.home is not None:
            changes["home"] = str(self.home.absolute())
        if self.policy is not None:
            changes["guards"] = {"policy": str(policy_file(self.policy).absolute())}
        if self.ledger is not None:
            changes["ledger"] = ledger_at(self.ledger)
        return changes | self._listeners()

    def _listeners(self) -> dict[str, Any]:
        told: dict[str, Any] = {}
        public = {"host": self.host, "port": self.port}
        if any(value is not None for value in public.values()):
            told["listen"] = {name: value for name, value in public.items() if value is not None}
        if self.admin_port is not None:
            told["admin"] = {"port": self.admin_port}
        elif self.port is not None:
            told["admin"] = {"port": next_port(self.port)}
        return told


def require_engines(settings: GatewaySettings) -> None:
    """Refuse to serve before an engine that nobody named; raises SettingsInvalid."""
    if "engines" not in settings.model_fields_set:
        raise SettingsInvalid(NO_ENGINE)


def engine_url(url: str) -> str:
    """An engine's URL with its `/v1`, which is easily forgotten."""
    return url.rstrip("/") + "/v1" if urlsplit(url).path in ("", "/") else url.rstrip("/")


def ledger_at(dsn: str) -> dict[str, str]:
    """Where the ledger is, and its journal: a SQLite file has it beside itself, so that each has its own."""
    try:
        url = make_url(dsn if "://" in dsn else f"sqlite:///{Path(dsn).absolute()}")
    except ArgumentError:
        raise SettingsInvalid("ledger.url: this is no database URL, nor a path") from None
    told = {"url": url.render_as_string(hide_password=False)}
    if url.get_backend_name() == "sqlite" and url.database:
        told["journal"] = f"{Path(url.database).absolute()}.journal"
    return told


def next_port(port: int) -> int:
    """The admin API's port, where nobody names one: the next, or any that is free."""
    for wanted in (port + 1 if 0 < port < 65535 else 0, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return 0
