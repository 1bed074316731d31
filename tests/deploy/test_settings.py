"""What compose files tell the services is what the services understand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from finetune.settings import load_situation
from gateway.settings import load_settings
from gateway.up.stack import LEDGER_SECONDS
from rewardserve.settings import read_settings
from tests.deploy.places import DEPLOY, document

SAMPLE = DEPLOY / "trimtab.yaml"
INTERPOLATED = re.compile(r"\$\{(\w+)[^}]*\}")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Puts a service's environment in place; the parameter is (compose file, service)."""
    name, service = request.param
    for variable, value in document(DEPLOY / name)["services"][service].get("environment", {}).items():
        if variable.startswith("TRIMTAB_") and variable != "TRIMTAB_CONFIG" and value is not None:
            monkeypatch.setenv(variable, INTERPOLATED.sub(r"\1", str(value)))
    return str(name)


def config_of(compose: str) -> Path | None:
    return SAMPLE if compose == "compose.yaml" else None


def on(service: str) -> pytest.MarkDecorator:
    forms = [("compose.yaml", service), ("compose.pocket.yaml", service)]
    return pytest.mark.parametrize("told", forms, indirect=True, ids=["one box", "pocket"])


@on("gateway")
def test_the_gateway_understands_what_it_is_told(told: str) -> None:
    settings = load_settings(config_of(told))
    assert {settings.listen.host, settings.admin.host} == {"0.0.0.0"}
    assert settings.home == Path("/var/lib/trimtab")


@on("gateway")
def test_the_gateway_asks_services_that_are_there(told: str) -> None:
    settings = load_settings(config_of(told))
    urls = [settings.reward.url or "", *(engine.url for engine in settings.engines)]
    services = document(DEPLOY / told)["services"]
    assert all(re.findall(r"//([\w-]+):", url)[0] in services for url in urls)


@on("gateway")
def test_a_gateway_that_stops_is_given_the_time_it_may_need(told: str) -> None:
    given = document(DEPLOY / told)["services"]["gateway"].get("stop_grace_period", "10s")
    needed = load_settings(config_of(told)).limits.shutdown_seconds + LEDGER_SECONDS
    assert float(given.removesuffix("s")) > needed


@on("rewardserve")
def test_the_reward_server_understands_what_it_is_told(told: str) -> None:
    settings = read_settings()
    assert (settings.host, settings.port) == ("0.0.0.0", 8083)


@on("rewardserve")
def test_a_reward_server_that_stops_is_given_the_time_it_may_need(told: str) -> None:
    given = document(DEPLOY / told)["services"]["rewardserve"].get("stop_grace_period", "10s")
    assert float(given.removesuffix("s")) > read_settings().drain_seconds


@pytest.mark.parametrize("told", [("compose.yaml", "worker")], indirect=True)
def test_in_production_nothing_is_learnt_on_the_day_that_it_was_said(told: str) -> None:
    assert load_situation(config_of(told)).settings.filters.quarantine_hours == 24


@on("worker")
def test_the_worker_understands_what_it_is_told(told: str) -> None:
    situation = load_situation(config_of(told))
    assert situation.admin_url == "http://gateway:8081"
    assert situation.home == Path("/var/lib/trimtab")
    assert situation.reward_url == "http://rewardserve:8083"


def test_the_worker_trains_no_rank_that_vllm_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_FINETUNE_RECIPE__BASE", "a-model")
    flags = document(DEPLOY / "compose.yaml")["services"]["vllm"]["command"]
    recipe = load_situation(SAMPLE).plan.recipe
    assert f"--max-lora-rank={recipe.max_rank}" in flags
    assert recipe.rank <= recipe.max_rank


def test_vllm_serves_the_name_that_the_gateway_asks_for() -> None:
    flags = document(DEPLOY / "compose.yaml")["services"]["vllm"]["command"]
    assert f"--served-model-name={load_settings(SAMPLE).base_model}" in flags


def test_the_sample_would_start() -> None:
    command = [sys.executable, "-m", "gateway", "gateway", "check", "--config", str(SAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_everything_that_compose_asks_for_has_an_example() -> None:
    asked = set(INTERPOLATED.findall((DEPLOY / "compose.yaml").read_text()))
    assert asked == set(re.findall(r"^(\w+)=", (DEPLOY / "env.example").read_text(), re.MULTILINE))
