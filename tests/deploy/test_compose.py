"""Compose files: valid by the specification, and keeping the promises that deploy/README.md makes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.places import COMPOSE_FILES, DEPLOY, document, tool

each_file = pytest.mark.parametrize("name", COMPOSE_FILES)
Service = dict[str, Any]


def services(name: str) -> dict[str, Service]:
    """Services by name, merges resolved."""
    found: dict[str, Service] = document(DEPLOY / name)["services"]
    return found


def ours(name: str) -> Iterator[tuple[str, Service]]:
    return (
        (at, service) for at, service in services(name).items() if service["image"].startswith("trimtab-")
    )


def published(service: Service) -> list[str]:
    return [str(port) for port in service.get("ports", ())]


@each_file
def test_the_file_fits_the_compose_specification(name: str) -> None:
    checker = tool("check-jsonschema")
    if not checker:
        pytest.skip("needs check-jsonschema, which carries the compose specification's schema")
    command = [checker, "--builtin-schema", "vendor.compose-spec", str(DEPLOY / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@each_file
def test_no_image_floats(name: str) -> None:
    images = [service["image"] for service in services(name).values()]
    assert all(":" in image and not image.endswith(":latest") for image in images)


@each_file
def test_every_dockerfile_named_is_there(name: str) -> None:
    for service in (service for _, service in ours(name) if "build" in service):
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@each_file
def test_every_file_mounted_is_there(name: str) -> None:
    loaded = document(DEPLOY / name)
    files = [config["file"] for config in loaded.get("configs", {}).values()]
    mounts = [v["source"] for s in loaded["services"].values() for v in s.get("volumes", ()) if is_bind(v)]
    assert not [path for path in files + mounts if not (DEPLOY / path).exists()]


def is_bind(volume: Any) -> bool:
    return isinstance(volume, dict) and volume["type"] == "bind"


@each_file
def test_every_volume_network_config_and_secret_used_is_declared(name: str) -> None:
    loaded = document(DEPLOY / name)
    for service in loaded["services"].values():
        assert set(service.get("networks", ())) <= loaded["networks"].keys()
        assert {secret_name(s) for s in service.get("secrets", ())} <= loaded.get("secrets", {}).keys()
        assert {c["source"] for c in service.get("configs", ())} <= loaded.get("configs", {}).keys()
        assert {volume_name(v) for v in service.get("volumes", ()) if not is_bind(v)} <= loaded[
            "volumes"
        ].keys()


def secret_name(secret: Any) -> str:
    return str(secret["source"] if isinstance(secret, dict) else secret)


def volume_name(volume: Any) -> str:
    return str(volume["source"] if isinstance(volume, dict) else volume.split(":")[0])


@each_file
def test_only_the_gateway_is_asked_by_others(name: str) -> None:
    """Beside it only what operators look at, and that on loopback alone."""
    for at, service in services(name).items():
        for port in published(service):
            assert at == "gateway" or port.startswith("127.0.0.1:"), (at, port)
    assert {at for at, service in services(name).items() if published(service)} <= {
        "gateway",
        "prometheus",
        "grafana",
    }


@each_file
def test_models_are_served_where_nothing_leads_out(name: str) -> None:
    loaded = document(DEPLOY / name)
    for at in {"vllm", "engine", "rewardserve"} & loaded["services"].keys():
        for network in loaded["services"][at]["networks"]:
            assert loaded["networks"][network].get("internal"), (at, network)


@each_file
def test_our_services_run_with_no_privilege(name: str) -> None:
    for at, service in ours(name):
        assert service["read_only"], at
        assert service["cap_drop"] == ["ALL"], at
        assert "no-new-privileges:true" in service["security_opt"], at


@each_file
def test_what_serves_says_whether_it_can_and_comes_back(name: str) -> None:
    for at, service in services(name).items():
        if service.get("profiles"):
            continue
        dockerfile = service.get("build", {}).get("dockerfile")
        by_image = dockerfile and "HEALTHCHECK --" in (Path(DEPLOY.parent) / dockerfile).read_text()
        assert service.get("healthcheck", {}).get("test") or by_image, at
        assert service["restart"] == "unless-stopped", at


def test_only_a_gateway_is_asked_what_the_pocket_image_asks_a_gateway() -> None:
    for at, service in ours("compose.pocket.yaml"):
        assert at == "gateway" or "healthcheck" in service, at


@each_file
def test_everything_depended_on_exists(name: str) -> None:
    known = services(name).keys()
    for service in services(name).values():
        assert set(service.get("depends_on", ())) <= known


def test_worker_and_engine_see_adapters_at_the_same_place() -> None:
    for name, engine in (("compose.yaml", "vllm"), ("compose.pocket.yaml", "engine")):
        places = [mounted(services(name)[at], "adapters") for at in ("worker", engine)]
        assert places[0] == places[1] is not None


def mounted(service: Service, volume: str) -> str | None:
    for each in service["volumes"]:
        if isinstance(each, dict) and each["source"] == volume:
            return str(each["target"])
        if isinstance(each, str) and each.startswith(f"{volume}:"):
            return each.split(":")[1]
    return None


def test_vllm_may_load_adapters_at_run_time() -> None:
    vllm = services("compose.yaml")["vllm"]
    flags = dict(flag.removeprefix("--").split("=") for flag in vllm["command"] if "=" in flag)
    assert vllm["environment"]["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    assert "--enable-lora" in vllm["command"]
    assert int(flags["max-loras"]) >= 3  # live, canary, incoming


def test_the_pocket_form_asks_for_no_gpu() -> None:
    assert "nvidia" not in (DEPLOY / "compose.pocket.yaml").read_text()


@pytest.mark.parametrize("name", ["gateway", "worker"])
def test_a_ledger_of_the_operators_own_is_told_and_can_be_reached(name: str) -> None:
    loaded = document(DEPLOY / "compose.yaml")
    service = loaded["services"][name]
    assert service["environment"].get("TRIMTAB_LEDGER__URL", "not passed on") is None
    assert any(not (loaded["networks"][each] or {}).get("internal") for each in service["networks"])
