"""The gate: nobody comes in without a key, whatever the route, the spelling or the header."""

import socket
from collections.abc import Callable, Iterator

import httpx
import openai
import pytest
from fastapi.routing import APIRoute

from gateway.api.models import models_router
from gateway.api.probes import probes_router
from gateway.api.responses.stored import responses_router
from gateway.api.routes import asking_routes
from tests.fakes.gateway import Running, running_gateway, until

OPEN = {"/health", "/metrics"}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running_gateway() as running:
        yield running


def routes_of(gateway: Running) -> set[tuple[str, str]]:
    """Every method and path that the app serves, from its own table."""
    found = {("POST", route.path) for route in asking_routes(gateway.tools)}
    for router in (each(gateway.tools) for each in (models_router, probes_router, responses_router)):
        for route in router.routes:
            assert isinstance(route, APIRoute)
            found |= {(method, route.path) for method in route.methods}
    return found


def test_every_route_needs_a_key_but_the_probes(gateway: Running) -> None:
    with httpx.Client(base_url=gateway.server.url) as nobody:
        for method, path in routes_of(gateway):
            status = nobody.request(method, path.replace("{name:path}", "x")).status_code
            assert (status == 401) == (path not in OPEN), path


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/v1/models", "/nowhere", "/docs", "/openapi.json", "/v1/proxy/x"])
def test_no_method_and_no_unknown_path_slips_through(method: str, path: str, gateway: Running) -> None:
    with httpx.Client(base_url=gateway.server.url) as nobody:
        assert nobody.request(method, path).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        *("//v1/models", "/V1/models", "/v1/models/", "/v1/%6dodels", "/health/../v1/models", "/health/x"),
        *(
            "/v1/chat/completions/",
            "/v1//chat/completions",
            "/health%2f..%2fv1%2fmodels",
            "/metrics/..;/v1/models",
        ),
    ],
)
@pytest.mark.parametrize("header", ["host", "x-forwarded-host", "x-forwarded-path", "x-original-url"])
def test_no_spelling_of_path_or_header_opens_the_gate(path: str, header: str, gateway: Running) -> None:
    host, port = "127.0.0.1", gateway.server.port
    with socket.create_connection((host, port), timeout=5) as line:
        head = f"GET {path} HTTP/1.1\r\nhost: x\r\n{header}: /health\r\nconnection: close\r\n\r\n"
        line.sendall(head.encode())
        assert b" 401 " in line.recv(100) or b" 400 " in line.recv(100)


def test_the_same_path_by_another_name_is_still_open(gateway: Running) -> None:
    with httpx.Client(base_url=gateway.server.url) as nobody:
        assert nobody.get("/%68ealth").status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        *("", "Bearer", "Bearer  application", "application", "Basic application", "bearer-application"),
        *("Bearer ' OR 1=1 --", "Bearer nobody", "Bearer " + "x" * 50_000, "Bearer äöü"),
    ],
)
def test_no_odd_key_opens_the_gate(given: str, gateway: Running) -> None:
    with httpx.Client(base_url=gateway.server.url) as nobody:
        answer = nobody.get("/v1/models", headers={"authorization": given.encode()})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_schemes_case_does_not_matter(scheme: str, gateway: Running) -> None:
    with httpx.Client(base_url=gateway.server.url) as client:
        answer = client.get("/v1/models", headers={"authorization": f"{scheme} application"})
    assert answer.status_code == 200


def test_two_keys_are_no_key(gateway: Running) -> None:
    twice = [("authorization", "Bearer nobody"), ("authorization", "Bearer application")]
    with httpx.Client(base_url=gateway.server.url) as nobody:
        assert nobody.get("/v1/models", headers=twice).status_code == 401


def test_the_official_client_understands_that_its_key_is_wrong(gateway: Running) -> None:
    with gateway.sdk("nobody") as sdk, pytest.raises(openai.AuthenticationError):
        sdk.models.list()


def test_a_viewer_may_look_and_not_ask(gateway: Running) -> None:
    with gateway.sdk("viewer") as sdk:
        assert [model.id for model in sdk.models.list()] == ["assistant", "base"]
        with pytest.raises(openai.PermissionDeniedError):
            sdk.chat.completions.create(model="assistant", messages=[{"role": "user", "content": "x"}])


def test_an_application_sees_aliases_only_and_may_not_name_a_version(gateway: Running) -> None:
    gateway.reset()
    with gateway.sdk() as sdk:
        assert [model.id for model in sdk.models.list()] == ["assistant"]
        assert sdk.models.retrieve("assistant").id == "assistant"
        with pytest.raises(openai.NotFoundError):
            sdk.chat.completions.create(model="base", messages=[{"role": "user", "content": "x"}])


def test_an_operator_may_ask_a_version_by_name(gateway: Running) -> None:
    gateway.reset()
    with gateway.sdk("operator") as sdk:
        answer = sdk.chat.completions.with_raw_response.create(
            model="base", messages=[{"role": "user", "content": "x"}]
        )
    assert answer.headers["x-trimtab-version"] == "base"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 404), ("POST", "/v1/models", 405)],
)
def test_what_is_not_here_is_told_in_openais_shape(
    method: str, path: str, status: int, gateway: Running
) -> None:
    with gateway.http() as http:
        answer = http.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == "unknown_url"


def test_health_says_what_the_engine_is_like(gateway: Running) -> None:
    with httpx.Client(base_url=gateway.server.url) as nobody:
        assert nobody.get("/health").json() == {"status": "ok", "engine": True, "dead": []}


def test_health_goes_red_when_a_background_task_has_died(gateway: Running) -> None:
    vital: dict[str, Callable[[], bool]] = gateway.tools.vital  # type: ignore[assignment]
    vital["a task"] = lambda: False
    with httpx.Client(base_url=gateway.server.url) as nobody:
        answer = nobody.get("/health")
    del vital["a task"]
    assert (answer.status_code, answer.json()["dead"]) == (503, ["a task"])


def test_a_keys_secret_is_in_no_log_and_no_metric(gateway: Running, caplog: pytest.LogCaptureFixture) -> None:
    gateway.reset()
    caplog.set_level("DEBUG")
    gateway.engine.says(refuse=(500, {}))
    with httpx.Client(base_url=gateway.server.url, headers={"authorization": "Bearer SENTINEL"}) as nobody:
        nobody.get("/v1/models")
        nobody.post("/v1/chat/completions", json={"messages": "SENTINEL"})
        exposed = nobody.get("/metrics").text
    ours = [record for record in caplog.records if record.name.startswith(("gateway", "trimtab"))]
    assert "SENTINEL" not in exposed + str([vars(record) for record in ours])


def test_the_log_of_a_failed_request_has_the_engines_own_status(
    gateway: Running, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.reset()
    gateway.engine.says(refuse=(507, {}))
    asked = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}]}
    with gateway.http() as http:
        assert http.post("/v1/chat/completions", json=asked).status_code == 502
    assert until(lambda: caplog.records)
    [line] = [record.fields for record in caplog.records if record.name == "trimtab.requests"]  # type: ignore[attr-defined]
    assert (line["error"], line["upstream_status"]) == ("engine_failed", 507)
