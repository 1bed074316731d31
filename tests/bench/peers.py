"""Other gateways, each installed in a place of its own under build/bench/peers and started as its makers advise.

They guard nothing, authenticate nobody and record nothing here: as fast as they are.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.load import Target
from tests.bench.servers import UPSTREAM_PORT, Server, serving

ROOT = Path("build/bench/peers")
UPSTREAM = f"http://127.0.0.1:{UPSTREAM_PORT}/v1"
KEY = "sk-bench-0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Peer:
    """How a peer is installed and started; {folder} in its command is its own place."""

    name: str
    packages: tuple[str, ...]  # of pip; none for one that comes from npm
    files: Mapping[str, str]
    command: tuple[str, ...]
    target: Target
    health: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return (ROOT / self.name).absolute()

    @property
    def installed(self) -> bool:
        return (self.folder / "installed").exists()

    def install(self) -> None:
        """Make its place; raises CalledProcessError where it cannot be had."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (self.folder / name).write_text(text)
        if self.packages:
            subprocess.run([sys.executable, "-m", "venv", str(self.folder / "venv")], check=True)
            subprocess.run([str(self.folder / "venv/bin/pip"), "install", "-q", *self.packages], check=True)
        else:
            npm = shutil.which("npm") or "npm"
            subprocess.run(
                [npm, "install", "--no-audit", "--no-fund", "--silent"], cwd=self.folder, check=True
            )
        (self.folder / "installed").touch()

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """The peer on core 0, until the block ends."""
        asked = [part.format(folder=self.folder) for part in self.command]
        told = self.folder / "url" if not self.target.port else None
        if told is not None:
            told.unlink(missing_ok=True)
        with serving(asked, self.variables, 0, self.target, self.health, told) as server:
            yield server


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "litellm",
            # Without opentelemetry-sdk this version tries a failing import again on every request.
            ("litellm[proxy]==1.106.2", "opentelemetry-sdk", "opentelemetry-exporter-otlp", "httptools"),
            {
                "litellm.yaml": f"""model_list:
  - model_name: bench
    litellm_params: {{model: openai/bench, api_base: "{UPSTREAM}", api_key: upstream-key}}
litellm_settings: {{set_verbose: false, telemetry: false, num_retries: 0}}
"""
            },
            (
                *("{folder}/venv/bin/litellm", "--config", "{folder}/litellm.yaml"),
                *("--host", "127.0.0.1", "--port", "27402", "--num_workers", "1"),
            ),
            Target(27402, "bench", {"authorization": f"Bearer {KEY}"}),
            "/health/liveliness",
            {
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_MODE": "PRODUCTION",
                "LITELLM_LOG": "ERROR",
                "LITELLM_MASTER_KEY": KEY,
                "NO_DOCS": "True",
                "DO_NOT_TRACK": "1",
            },
        ),
        Peer(
            "portkey",
            (),
            # Its own choice of @hono/node-server makes every stream a 500.
            {
                "package.json": '{"private": true, "dependencies": {"@portkey-ai/gateway": "1.15.2"},'
                ' "overrides": {"@hono/node-server": "1.14.0"}}'
            },
            (
                *("node", "{folder}/node_modules/@portkey-ai/gateway/build/start-server.js"),
                *("--headless", "--port=27787"),
            ),
            Target(
                27787,
                "bench",
                {
                    "authorization": "Bearer upstream-key",
                    "x-portkey-provider": "openai",
                    "x-portkey-custom-host": UPSTREAM,
                },
            ),
            "/",
            {"NODE_ENV": "production"},
        ),
        Peer(
            "tensorzero",
            ("tensorzero==2026.6.0",),
            {
                "tensorzero.toml": f"""[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true
[models.bench]
routing = ["bench"]
[models.bench.providers.bench]
type = "openai"
model_name = "bench"
api_base = "{UPSTREAM}/"
api_key_location = "none"
"""
            },
            (
                *(
                    "{folder}/venv/bin/python",
                    str(Path(__file__).with_name("tensorzero_server.py").absolute()),
                ),
                *("{folder}/tensorzero.toml", "{folder}/url"),
            ),
            Target(0, "tensorzero::model_name::bench"),
            "/health",
        ),
    )
}
