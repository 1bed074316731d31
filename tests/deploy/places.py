"""What deploy/ holds, as the tests read it: files, services, panels, expressions."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARD = DEPLOY / "grafana/dashboards/trimtab.json"
ALERTS = DEPLOY / "prometheus/alerts.yml"
COMPOSE_FILES = ("compose.yaml", "compose.pocket.yaml")
DOCKERFILES = sorted(path.name for path in DEPLOY.glob("*.Dockerfile"))
NEEDS_PROMETHEUS = "needs Debian's package `prometheus` (promtool is in it)"


class Asked(NamedTuple):
    """One PromQL expression, and where it stands."""

    where: str
    expr: str


def document(path: Path) -> Any:
    """A YAML file, parsed."""
    return yaml.safe_load(path.read_text())


def dashboard() -> dict[str, Any]:
    """The dashboard's JSON."""
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return loaded


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel that shows something, those inside collapsed rows among them."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def asked_by_dashboard() -> Iterator[Asked]:
    """Every query of panels, annotations and variables."""
    board = dashboard()
    for panel in panels(board):
        for target in panel["targets"]:
            yield Asked(f"panel {panel['title']!r} {target['refId']}", target["expr"])
    for annotation in board["annotations"]["list"]:
        if "builtIn" not in annotation:
            yield Asked(f"annotation {annotation['name']!r}", annotation["target"]["expr"])


def rules(kind: str) -> list[dict[str, Any]]:
    """The rules of alerts.yml that are of a kind: alert or record."""
    groups = document(ALERTS)["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def asked_by_rules() -> Iterator[Asked]:
    """Every alert's and recording's expression."""
    for rule in rules("alert"):
        yield Asked(f"alert {rule['alert']}", rule["expr"])
    for rule in rules("record"):
        yield Asked(f"record {rule['record']}", rule["expr"])


def filled(expr: str, *, window: str = "1m", span: str = "5m") -> str:
    """A query of the dashboard with Grafana's variables filled in: everything, over `window` or `span`."""
    known = {"$__rate_interval": window, "$__interval": window, "$__range": span}
    for name, value in known.items():
        expr = expr.replace(name, value)
    for name in ("instance", "alias", "version"):
        expr = expr.replace(f'"${name}"', '".*"')
    return expr


def tool(name: str) -> str | None:
    """Where a command is, or None."""
    return shutil.which(name) or next(iter(map(str, (ROOT / ".venv/bin").glob(name))), None)
