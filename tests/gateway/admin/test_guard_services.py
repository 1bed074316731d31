"""Services of guards in a running gateway: told by its settings alone, and named by policies."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.policies.cli import app
from tests.fakes.engine import fake_engine
from tests.fakes.service import FakeService, completion, service_apart
from tests.gateway.admin.conftest import House, open_house

POLICY = """
name: modelled
version: {version}
deadline_ms: 20000
guards:
  - id: model
    kind: guard_model
    where: [prompt, reply]
    on_error: closed
    timeout_ms: 10000
    hazards: {{G.unsafe: {{action: refuse, threshold: {threshold}}}}}
    config: {{service: {service}, model: guard-8b, family: llama_guard}}
"""


def judged(path: str, body: Any) -> Any:
    return completion(
        ["\n\n", {"unsafe": 0.8, "safe": 0.2} if "canary" in str(body["messages"][-1]) else "safe"]
    )


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeService]:
    with service_apart(judged) as running:
        yield running


@pytest.fixture(scope="module")
def house(fake: FakeService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    (folder / "policy.yaml").write_text(POLICY.format(version=1, threshold=0.5, service="judges"))
    guards = {
        "policy": folder / "policy.yaml",
        "services": {"judges": {"url": fake.url, "api_key": "SENTINEL"}},
    }
    with fake_engine() as (engine, behind), open_house(folder, behind.url, engine, guards=guards) as house:
        yield house


def said(house: House, text: str) -> str:
    choice = house.ask(text).json()["choices"][0]
    return str(choice["finish_reason"])


def test_the_configured_policy_asks_the_service_with_its_key(house: House, fake: FakeService) -> None:
    assert (said(house, "hello"), said(house, "a canary")) == ("stop", "content_filter")
    assert fake.headers[0]["authorization"] == "Bearer SENTINEL"


def test_a_policy_from_outside_may_name_the_same_services(house: House) -> None:
    document = POLICY.format(version=2, threshold=0.9, service="judges")
    with house.http() as client:
        assert client.post("/admin/policy", json={"document": document, "cause": "laxer"}).status_code == 200
        assert said(house, "a canary") == "stop"
        strict = POLICY.format(version=3, threshold=0.5, service="judges")
        assert client.post("/admin/policy", json={"document": strict, "cause": "back"}).status_code == 200
    assert said(house, "a canary") == "content_filter"


@pytest.mark.parametrize("service", ["others", "http://evil.example", "{url: 'http://evil.example'}"])
def test_it_can_name_no_other(house: House, service: str) -> None:
    document = POLICY.format(version=4, threshold=0.5, service=service)
    with house.http() as client:
        answer = client.post("/admin/policy", json={"document": document, "cause": "elsewhere"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "policy_refused")
    assert "config.service" in answer.text
    assert "SENTINEL" not in answer.text


def test_a_service_that_is_away_closes_what_is_closed(house: House, fake: FakeService) -> None:
    fake.says = lambda path, body: 503
    try:
        answer = house.ask("something new")
    finally:
        fake.says = judged
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"
    assert answer.headers["x-trimtab-degraded"]


def test_what_is_put_in_force_says_whether_its_services_are_there(house: House, fake: FakeService) -> None:
    document = POLICY.format(version=1, threshold=0.5, service="judges")
    asked = len(fake.asked)
    with house.http() as client:
        put = client.post("/admin/policy", json={"document": document, "cause": "again"}).json()
    assert (put["warnings"], len(fake.asked)) == ([], asked)


def test_a_policy_is_put_in_force_with_a_warning_where_its_service_is_away(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("name: configured\nversion: 1\n")
    (tmp_path / "draft.yaml").write_text(POLICY.format(version=1, threshold=0.5, service="judges"))
    nobody = "http://127.0.0.1:1"
    guards = {"policy": tmp_path / "policy.yaml", "services": {"judges": {"url": nobody}}}
    with fake_engine() as (engine, behind), open_house(tmp_path, behind.url, engine, guards=guards) as house:
        environment = {"TRIMTAB_ADMIN_URL": house.server.url, "TRIMTAB_ADMIN_KEY": house.keys["operator"]}
        told = CliRunner().invoke(app, ["activate", str(tmp_path / "draft.yaml")], env=environment)
        assert (told.exit_code, "modelled version 1" in told.stdout) == (0, True)
        assert "warning: service judges cannot be reached" in told.stderr
        again = CliRunner().invoke(app, ["restore", "modelled", "--json"], env=environment)
        assert "service judges cannot be reached" in json.loads(again.stdout)["warnings"][0]
        assert nobody not in told.output


def test_the_policy_is_shown_with_names_alone(house: House, fake: FakeService) -> None:
    with house.http("viewer") as client:
        shown = client.get("/admin/policy").text
    assert '"service":"judges"' in shown.replace(" ", "")
    assert fake.url not in shown
    assert "SENTINEL" not in shown


def test_nothing_is_left_open_when_a_gateway_ends(fake: FakeService, tmp_path: Path) -> None:
    """An unclosed session would be told by a warning, and warnings are errors here."""
    (tmp_path / "policy.yaml").write_text(POLICY.format(version=1, threshold=0.5, service="judges"))
    guards = {"policy": tmp_path / "policy.yaml", "services": {"judges": {"url": fake.url}}}
    with fake_engine() as (engine, behind):
        with open_house(tmp_path, behind.url, engine, guards=guards) as house:
            said(house, "hello")
            service = house.tools.screens.services["judges"]
            assert service._sessions
        assert not service._sessions
