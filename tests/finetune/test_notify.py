"""Webhooks: signed, tried again, given up, and never in the way."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from finetune.notify import Notifier, Webhook, signature
from tests.serving import serving


@dataclass
class Hook:
    """A server that answers as told, and remembers what it heard."""

    statuses: list[int] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        self.heard.append(({name.decode(): value.decode() for name, value in scope["headers"]}, body))
        status = self.statuses.pop(0) if self.statuses else 200
        headers = [(b"location", b"http://127.0.0.1:1/elsewhere")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def url(hook: Hook) -> Iterator[str]:
    with serving(hook) as server:
        yield server.url


async def told(webhook: Webhook) -> None:
    await Notifier([webhook], pause_seconds=0.01).tell("run.promoted", "assistant: v2", version="v2")


async def test_it_hears_what_happened_and_can_tell_who_said_so(hook: Hook, url: str) -> None:
    await told(Webhook(url=url, secret=SecretStr("s")))
    headers, body = hook.heard[0]
    assert json.loads(body) == {"event": "run.promoted", "text": "assistant: v2", "version": "v2"}
    assert headers["x-trimtab-signature"] == signature("s", headers["x-trimtab-timestamp"], body)


async def test_one_that_stumbles_is_told_again(hook: Hook, url: str) -> None:
    hook.statuses = [500, 503]
    await told(Webhook(url=url))
    assert len(hook.heard) == 3


@pytest.mark.parametrize("status", [400, 302])
async def test_one_that_refuses_or_points_elsewhere_is_not(hook: Hook, url: str, status: int) -> None:
    hook.statuses = [status] * 5
    await told(Webhook(url=url))
    assert len(hook.heard) == 1


async def test_one_that_is_away_holds_nothing_up() -> None:
    await told(Webhook(url="http://127.0.0.1:1/"))


async def test_it_hears_of_what_it_asked_for_alone(hook: Hook, url: str) -> None:
    await told(Webhook(url=url, events=("drift",)))
    assert hook.heard == []
