"""No spelling of a path and no forged header changes who may come in, on any route of either listener."""

import http.client
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from gateway.admin.app import admin_routes, create_admin
from gateway.api.routes import asking_routes
from gateway.app import public_routes
from gateway.gate import open_paths
from tests.fakes.engine import fake_engine
from tests.fakes.gateway import Running, running_gateway
from tests.gateway.admin.conftest import House, open_house
from tests.serving import serving

Route = tuple[str, str]  # method and path
SPELLINGS: list[Callable[[str], str]] = [
    lambda path: path,
    lambda path: f"/{path}",
    lambda path: path.replace("/", "//"),
    lambda path: f"{path}/",
    lambda path: path.upper(),
    lambda path: path.title(),
    lambda path: f"/%2e{path}",
    lambda path: f"/.{path}",
    lambda path: f"/health/..{path}",
    lambda path: f"/health/%2e%2e{path}",
    lambda path: f"/health%2f..{path}",
    lambda path: f"/metrics/..;{path}",
    lambda path: f"/%{ord(path[1]):x}{path[2:]}",
    lambda path: "/" + path[1:].replace("/", "%2f"),
    lambda path: "/" + path[1:].replace("/", "\\"),
    lambda path: f"{path}%00",
    lambda path: f"{path}%0a",
    lambda path: f"{path};/health",
    lambda path: f"{path}/health",
    lambda path: f"{path}/../health",
    lambda path: f"{path}?path=/health",
    lambda path: f"http://localhost{path}",
]
FORGED = [
    *({"host": value} for value in ("/health", "localhost/health", "localhost:8081", "health@localhost", "")),
    *({f"x-forwarded-{name}": "/health"} for name in ("host", "path", "prefix", "uri", "for", "user")),
    *({name: "/health"} for name in ("x-original-url", "x-rewrite-url", "x-original-uri", "forwarded")),
    *({name: "GET"} for name in ("x-http-method-override", "x-http-method", "x-method-override")),
    {"x-script-name": "/health", "x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1"},
]
SHUT = {400, 401}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running_gateway() as running:
        yield running


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, str, int]]:
    """A house, the key of its application, and where nothing but its admin API listens."""
    folder = tmp_path_factory.mktemp("house")
    with (
        fake_engine() as (engine, behind),
        open_house(folder, behind.url, engine) as house,
        serving(create_admin(house.tools)) as listener,
    ):
        yield house, house.keys["application"], listener.port


def routes_in(routes: Any) -> set[Route]:
    """Every method and path of a table, those of the tables in it too, with something for its parameters."""
    found: set[Route] = set()
    for route in routes:
        if (inner := getattr(route, "original_router", None)) is not None:
            found |= routes_in(inner.routes)
        else:
            path = "/".join("x" if part.startswith("{") else part for part in route.path.split("/"))
            found |= {(method, path) for method in route.methods}
    return found


def public(gateway: Running) -> set[Route]:
    return {("POST", route.path) for route in asking_routes(gateway.tools)} | routes_in(
        public_routes(gateway.tools).routes
    )


def answered(port: int, method: str, target: str, headers: dict[str, str]) -> int:
    """The status with which a request is answered, whose target and headers go out as they are written."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        line.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in ({"host": "localhost"} | headers).items():
            line.putheader(name, value)
        line.putheader("content-length", "2")
        line.endheaders(b"{}")
        return line.getresponse().status
    finally:
        line.close()


def variants(path: str) -> list[tuple[str, dict[str, str]]]:
    """The same path spelled in all ways, and plainly with all that may be forged beside it."""
    return [(spelled(path), {}) for spelled in SPELLINGS] + [(path, forged) for forged in FORGED]


def path_in(target: str) -> str:
    """The path that a server reads in a request's target."""
    return unquote(target.removeprefix("http://localhost").partition("?")[0])


def test_the_tables_are_whole(gateway: Running, admin: tuple[House, str, int]) -> None:
    assert {("POST", "/v1/messages"), ("GET", "/openapi.json"), ("GET", "/health")} <= public(gateway)
    assert {("POST", "/admin/policy"), ("GET", "/metrics")} <= routes_in(admin_routes(admin[0].tools).routes)


def test_without_a_key_nothing_opens_but_the_probes_themselves(gateway: Running) -> None:
    port, probes = gateway.server.port, open_paths(gateway.tools)
    for method, path in public(gateway):
        for target, forged in variants(path):
            status = answered(port, method, target, forged)
            assert status in SHUT or path_in(target) in probes, (method, target, forged, status)


def test_with_a_viewers_key_no_engine_is_reached(gateway: Running) -> None:
    gateway.reset()
    port, key = gateway.server.port, {"authorization": "Bearer viewer"}
    for route in asking_routes(gateway.tools):
        for target, forged in variants(route.path):
            status = answered(port, "POST", target, {**key, **forged})
            assert status in {400, 403, 404, 405}, (target, forged, status)
            assert (status == 403) == (path_in(target) == route.path), (target, forged, status)
    assert gateway.engine.requests == []


def test_without_a_key_the_admin_api_opens_nothing_but_its_metrics(
    admin: tuple[House, str, int],
) -> None:
    house, _, port = admin
    for method, path in routes_in(admin_routes(house.tools).routes):
        for target, forged in variants(path):
            status = answered(port, method, target, forged)
            assert status in SHUT or path_in(target) == "/metrics", (method, target, forged, status)


def test_with_an_applications_key_the_admin_api_opens_nothing_either(
    admin: tuple[House, str, int],
) -> None:
    house, key, port = admin
    for method, path in routes_in(admin_routes(house.tools).routes) - {("GET", "/metrics")}:
        for target, forged in variants(path):
            status = answered(port, method, target, {"authorization": f"Bearer {key}", **forged})
            assert status in {400, 403, 404, 405}, (method, target, forged, status)
            assert status == 403 or path_in(target) != path, (method, target, forged, status)
