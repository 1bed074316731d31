"""Webhooks: signed, tried again, given up, and never in the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from finetune.notify import MOST_WAITING, Webhook, signature, telling
from tests.serving import serving

LONGEST_SECONDS = 20.0


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


@asynccontextmanager
async def dripping(first: bytes, drop: bytes) -> AsyncIterator[str]:
    """The address of a server that begins an answer, and sends another drop of it for as long as it is listened to."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(first)
            while not writer.is_closing():
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.02)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/"


HEADERS = (b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n")  # that never end
BODY = (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n")


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def url(hook: Hook) -> Iterator[str]:
    with serving(hook) as server:
        yield server.url


async def told(webhook: Webhook) -> None:
    async with telling([webhook], pause_seconds=0.01) as notifier:
        notifier.tell("run.promoted", "assistant: v2", version="v2")


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


async def test_one_whose_answer_never_begins_is_given_up_in_time(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        asyncio.timeout(LONGEST_SECONDS),
        dripping(*HEADERS) as url,
        telling([Webhook(url=url)], pause_seconds=0.01, patience_seconds=0.2) as notifier,
    ):
        notifier.tell("drift", "assistant: rewards drifted")
    assert "a webhook did not hear of drift: TimeoutError" in caplog.text


async def test_an_answer_is_not_read_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    async with dripping(*BODY) as url, asyncio.timeout(LONGEST_SECONDS):
        await told(Webhook(url=url))
    assert caplog.text == ""


async def test_a_slow_one_holds_no_other_up(hook: Hook, url: str) -> None:
    async with dripping(*HEADERS) as slow, asyncio.timeout(LONGEST_SECONDS):
        both = [Webhook(url=slow), Webhook(url=url)]
        async with telling(both, patience_seconds=60, last_words_seconds=0) as notifier:
            notifier.tell("rollout.moved", "v2: shadow")
            notifier.tell("rollout.moved", "v2: canary")
            while len(hook.heard) < 2:
                await asyncio.sleep(0.01)
    assert [json.loads(body)["text"] for _, body in hook.heard] == ["v2: shadow", "v2: canary"]


async def test_the_end_waits_for_a_slow_one_so_long_and_no_longer(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        asyncio.timeout(LONGEST_SECONDS),
        dripping(*HEADERS) as url,
        telling([Webhook(url=url)], patience_seconds=60, last_words_seconds=0.1) as notifier,
    ):
        notifier.tell("run.kept", "assistant: not enough pairs")
    assert "did not hear of what was told last: it took more than 0.1 s" in caplog.text


async def test_what_was_told_before_a_command_is_stopped_is_still_delivered(hook: Hook, url: str) -> None:
    async def command() -> None:
        async with telling([Webhook(url=url)]) as notifier:
            notifier.tell("run.kept", "assistant: not enough pairs")
            await asyncio.sleep(60)

    task = asyncio.create_task(command())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(hook.heard) == 1


async def test_what_is_too_much_for_a_slow_one_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    hooks = [Webhook(url="http://127.0.0.1:1/")]
    async with telling(hooks, pause_seconds=60, last_words_seconds=0) as notifier:
        for _ in range(MOST_WAITING + 1):
            notifier.tell("rollout.moved", "v2: shadow")
    assert f"a webhook did not hear of rollout.moved: {MOST_WAITING} messages wait for it" in caplog.text


async def test_a_fault_of_ours_does_not_end_the_telling(caplog: pytest.LogCaptureFixture) -> None:
    async with telling([Webhook(url="http://127.0.0.1:1/")], pause_seconds=0.01) as notifier:
        notifier.lines[0].waiting.put_nowait(("drift", None))  # type: ignore[arg-type]
        notifier.tell("run.kept", "assistant: not enough pairs")
    assert "a webhook did not hear of drift" in caplog.text
    assert "a webhook did not hear of run.kept: ConnectError" in caplog.text
