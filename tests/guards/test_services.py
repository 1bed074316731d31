"""Services: how they are asked, what their failures mean, and that a policy can only name them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from guards.services import MOST_ANSWER_BYTES, NamedService, Service, Services
from guards.verdict import GuardFailed, GuardTimedOut, GuardUnavailable
from tests.fakes.service import FakeService, fake_service

SECRET_TEXT = "what somebody wrote"


@pytest.fixture
async def fake() -> AsyncIterator[FakeService]:
    async with fake_service(lambda path, body: {"said": body}) as running:
        yield running


async def test_an_answer_comes_with_the_services_key_and_headers(fake: FakeService) -> None:
    async with Services([fake.service(key=SecretStr("k"), headers={"x-org": SecretStr("o")})]) as services:
        assert await services["guards"].ask("/v1/x", {"a": 1}) == {"said": {"a": 1}}
    assert fake.paths == ["/v1/x"]
    assert (fake.headers[0]["authorization"], fake.headers[0]["x-org"]) == ("Bearer k", "o")


@pytest.mark.parametrize(
    ("said", "failure", "told"),
    [
        (503, GuardUnavailable, "answered 503"),
        (429, GuardUnavailable, "answered 429"),
        (400, GuardFailed, "answered 400"),
        (401, GuardFailed, "does not accept the key"),
        (404, GuardFailed, "does not know this path or model"),
        (302, GuardFailed, "answered 302"),
        (b"<html>", GuardFailed, "not JSON"),
        (b"[" * 100_000, GuardFailed, "not JSON"),
        (b"x" * (MOST_ANSWER_BYTES + 1), GuardFailed, "more than"),
    ],
)
async def test_a_bad_answer_is_a_failure_that_quotes_nothing(
    fake: FakeService, said: Any, failure: type[GuardFailed], told: str
) -> None:
    fake.says = lambda path, body: said
    async with Services([fake.service()]) as services:
        with pytest.raises(failure, match=told) as raised:
            await services["guards"].ask("", {"text": SECRET_TEXT})
    assert type(raised.value) is failure
    assert SECRET_TEXT not in str(raised.value)


async def test_nobody_there_is_unavailable() -> None:
    async with Services([Service("guards", "http://127.0.0.1:9")]) as services:
        with pytest.raises(GuardUnavailable, match="guards cannot be reached: ClientConnectorError"):
            await services["guards"].ask("", {})


async def test_a_service_has_its_own_time(fake: FakeService) -> None:
    fake.seconds = 60
    async with Services([fake.service(timeout_seconds=0.05)]) as services:
        with pytest.raises(GuardTimedOut, match=r"within 0\.05 s"):
            await services["guards"].ask("", {})


async def test_whoever_is_not_waited_for_leaves_the_service(fake: FakeService) -> None:
    fake.seconds = 60
    async with Services([fake.service()]) as services:
        asking = asyncio.create_task(services["guards"].ask("", {}))
        while not fake.waiting:
            await asyncio.sleep(0.005)
        asking.cancel()
        while not fake.abandoned:
            await asyncio.sleep(0.005)
    assert asking.cancelled()


async def test_no_more_connections_than_its_share(fake: FakeService) -> None:
    fake.seconds = 0.02
    async with Services([fake.service(max_connections=2)]) as services:
        await asyncio.gather(*(services["guards"].ask("", {}) for _ in range(8)))
    assert fake.most_waiting == 2


def test_each_event_loop_has_connections_of_its_own() -> None:
    async def ask(service: Service) -> Any:
        async with fake_service(lambda path, body: "yes") as there, Services([service]):
            service.url = there.url
            return await service.ask("", {})

    service = Service("guards", "")
    assert [asyncio.run(ask(service)) for _ in range(2)] == ["yes", "yes"]


async def test_one_that_was_closed_opens_again(fake: FakeService) -> None:
    async with Services([fake.service()]) as services:
        await services["guards"].ask("", {})
        await services.close()
        assert await services["guards"].ask("", {}) == {"said": {}}


def test_its_secrets_are_not_shown() -> None:
    shown = repr(Service("guards", "http://x", SecretStr("hidden"), headers={"x": SecretStr("hidden")}))
    assert "hidden" not in shown


class Naming(BaseModel):
    service: NamedService


def test_a_policy_names_a_service() -> None:
    service = Service("guards", "http://x")
    found = Naming.model_validate({"service": "guards"}, context={"services": {"guards": service}})
    assert found.service is service
    assert found.model_dump() == {"service": "guards"}
    assert Naming.model_json_schema()["properties"]["service"]["type"] == "string"


@pytest.mark.parametrize(
    ("said", "services", "told"),
    [
        ("mine", {"other": 1}, "no service of this name in the settings.*known are other"),
        ("mine", {}, "none is configured"),
        ("http://evil", {"other": 1}, "no service of this name"),
        ({"url": "http://evil"}, {"other": 1}, "must be the name of a service"),
    ],
)
def test_a_service_that_is_not_configured_is_refused(said: Any, services: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Naming.model_validate({"service": said}, context={"services": services})
