"""The stack that `trimtab up` runs: which services, on which ports, told what.

StackFailed
├── PortTaken      another program listens where one of ours must
└── HomeTaken      another `trimtab up` runs in this home directory
"""

import fcntl
import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.ledger.store import DRAIN_SECONDS
from gateway.serving.process import RECORDING_SECONDS
from gateway.settings import GatewaySettings, load_settings
from gateway.tenants.budgets import STOP_SECONDS
from gateway.up.service import Service, trimtab

# Matrices this small gain nothing from more, and threads that wait for each other on a busy machine lose much.
THREADS = "1"
BASE_MODEL = "pocket"  # the pocket engine's own name for its policy model
FIRST_PORT, LAST_PORT = 18080, 18400  # where a stack that does not care listens
# What a gateway may need once its requests have ended: records in flight, budgets, the database's last, the journal's.
LEDGER_SECONDS = RECORDING_SECONDS + STOP_SECONDS + 2 * DRAIN_SECONDS
# So that a strategy which needs rewards is no mistake before the reward server's address is known.
REWARD_TO_COME = {"url": "http://127.0.0.1:0"}
ALIGNMENT = {"strategy": "best_of_n", "n": 4}  # what a request gets that does not ask


class StackFailed(Exception):
    """The stack cannot be started here."""


class PortTaken(StackFailed):
    """Another program listens where one of ours must."""


class HomeTaken(StackFailed):
    """Another `trimtab up` runs in this home directory."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs, and the settings that the gateway among it reads."""

    settings: GatewaySettings
    services: tuple[Service, ...]

    @property
    def base_url(self) -> str:
        """Where applications ask."""
        return f"http://{self.settings.listen.host}:{self.settings.listen.port}/v1"

    @property
    def admin_url(self) -> str:
        """Where operators do."""
        return f"http://{self.settings.admin.host}:{self.settings.admin.port}"

    @property
    def ports(self) -> Iterator[tuple[str, str, int]]:
        """Each service's name, host and port, the gateway's second listener among them."""
        for service in self.services:
            at = urlsplit(service.health_url)
            yield service.name, at.hostname or "127.0.0.1", at.port or 80
        yield "admin", self.settings.admin.host, self.settings.admin.port


def plan(config: Path | None = None, home: Path | None = None, port: int | None = None) -> Stack:
    """The operator's own settings, with a pocket engine and reward server where they name none."""
    told = load_settings(config, defaults={"reward": REWARD_TO_COME, "alignment": ALIGNMENT})
    changes = pocket_changes(told, home, port)
    settings = load_settings(config, **changes)
    started = [gateway(settings, config, changes)]
    if "reward" in changes:
        started.insert(0, reward(settings))
    if "engines" in changes:
        started.insert(0, engine(settings))
    return Stack(settings, tuple(started))


def pocket_changes(told: GatewaySettings, home: Path | None, port: int | None) -> dict[str, Any]:
    """What the pocket form sets over the operator's settings; ports follow the gateway's own."""
    first = told.listen.port if port is None else port
    changes: dict[str, Any] = {"home": str((home or told.home).absolute())}
    if port is not None:
        changes |= {"listen": {"port": first}, "admin": {"port": first + 1}}
    if "engines" not in told.model_fields_set:
        changes["engines"] = [{"name": "pocket", "url": f"http://127.0.0.1:{first + 2}/v1"}]
        changes["base_model"] = BASE_MODEL
    if told.reward.url == REWARD_TO_COME["url"]:
        changes["reward"] = {"url": f"http://127.0.0.1:{first + 3}"}
    changes["alignment"] = {name: getattr(told.alignment, name) for name in ALIGNMENT}
    return changes


def engine(settings: GatewaySettings) -> Service:
    """The pocket engine, serving the packaged policy."""
    at = urlsplit(settings.engines[0].url)
    command = trimtab(
        *("engine", "--port", str(at.port), "--served-model-name", settings.base_model),
        *("--threads", THREADS),
    )
    return Service("engine", command, f"{at.scheme}://{at.netloc}/health")


def reward(settings: GatewaySettings) -> Service:
    """The reward server, scoring with the packaged reward model."""
    at = urlsplit(str(settings.reward.url))
    command = trimtab("reward", "serve", "--port", str(at.port), "--cpu-threads", THREADS)
    return Service("reward", command, f"{at.geturl()}/health")


def gateway(settings: GatewaySettings, config: Path | None, changes: Mapping[str, Any]) -> Service:
    """The gateway; what differs from the operator's own file reaches it as variables."""
    command = trimtab("gateway", "serve", *(("--config", str(config)) if config else ()))
    health = f"http://{settings.listen.host}:{settings.listen.port}/health"
    grace = settings.limits.shutdown_seconds + LEDGER_SECONDS
    return Service("gateway", command, health, as_variables(changes), grace)


def as_variables(changes: Mapping[str, Any]) -> dict[str, str]:
    """Settings as the environment spells them: text as it is, anything nested as JSON."""
    return {
        f"TRIMTAB_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in changes.items()
    }


def require_free(ports: Iterable[tuple[str, str, int]]) -> None:
    """Refuse to start what could not bind, before anything is started."""
    for name, host, port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                advice = "choose four others in a row with --port"
                raise PortTaken(
                    f"{name} cannot listen on {host}:{port} ({error.strerror}); {advice}"
                ) from None


def free_ports() -> int:
    """The first of four free ports in a row."""
    for first in range(FIRST_PORT, LAST_PORT, 4):
        try:
            require_free(("any", "127.0.0.1", port) for port in range(first, first + 4))
        except PortTaken:
            continue
        return first
    raise PortTaken(f"no four ports in a row are free between {FIRST_PORT} and {LAST_PORT}")


@contextmanager
def sole_use_of(home: Path) -> Iterator[None]:
    """Hold the home directory's lock, which the kernel drops should we be killed."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)  # what people wrote is for its owner alone
    with (home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HomeTaken(
                f"another `trimtab up` runs in {home}; stop it, or choose another --home"
            ) from None
        yield
