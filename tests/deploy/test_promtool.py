"""Prometheus' own opinion: its configuration, our rules, their unit tests, and every panel's PromQL."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.places import DEPLOY, NEEDS_PROMETHEUS, asked_by_dashboard, document, filled, rules, tool

PROMETHEUS = DEPLOY / "prometheus"
SEVERITIES = {"critical", "warning", "info"}

needs_promtool = pytest.mark.skipif(not tool("promtool"), reason=NEEDS_PROMETHEUS)


def promtool(*arguments: str) -> None:
    done = subprocess.run([tool("promtool") or "", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus.pocket.yml"])
def test_the_configuration_is_valid(name: str) -> None:
    promtool("check", "config", str(PROMETHEUS / name))


@needs_promtool
def test_every_rule_is_valid() -> None:
    promtool("check", "rules", "--lint-fatal", str(PROMETHEUS / "alerts.yml"))


@needs_promtool
def test_every_alert_fires_and_keeps_silent_as_it_should() -> None:
    promtool("test", "rules", str(PROMETHEUS / "alerts_test.yml"))


@needs_promtool
def test_every_query_of_the_dashboard_parses(tmp_path: Path) -> None:
    asked = [{"record": f"q{i}", "expr": filled(a.expr)} for i, a in enumerate(asked_by_dashboard())]
    rules_file = tmp_path / "queries.yml"
    rules_file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": asked}]}))
    promtool("check", "rules", str(rules_file))


def test_every_alert_is_tested_both_ways() -> None:
    tested: dict[str, set[bool]] = {}
    for group in document(PROMETHEUS / "alerts_test.yml")["tests"]:
        for case in group["promql_expr_test"]:
            alert = re.findall(r'alertname="(\w+)"', case["expr"])[0]
            tested.setdefault(alert, set()).add(bool(case["exp_samples"]))
    assert tested == {rule["alert"]: {True, False} for rule in rules("alert")}


@pytest.mark.parametrize("rule", rules("alert"), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_how_bad_and_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert re.search(r"^1\. ", rule["annotations"]["runbook"])
