"""Tells people's systems what the loop did: a signed POST to each webhook that wants to hear of it.

The body is JSON with a `text` that chat systems show as it is; the header `x-trimtab-signature` is the hexadecimal
HMAC-SHA256, by the webhook's secret, of the timestamp in `x-trimtab-timestamp`, a dot and the body. What cannot be
delivered in a few tries is logged and given up. Messages are delivered in the background: a webhook that is away,
or slow, holds up neither a run nor a look at rollouts, nor another webhook.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr

from finetune.errors import FinetuneFailed
from finetune.faults import faults_told
from gateway.background import running
from gateway.settings import Url

Event = Literal[
    "run.promoted",
    "run.kept",
    "run.failed",
    "run.rolling_out",
    "rollout.moved",
    "rollout.rolled_back",
    "drift",
]
TRIES, FIRST_PAUSE_SECONDS, PATIENCE_SECONDS = 3, 0.5, 5.0
MOST_WAITING = 100  # messages for one webhook
LAST_WORDS_SECONDS = 20.0  # at the end of a command: all the tries of one message take 16.5
log = logging.getLogger(__name__)


class Webhook(BaseModel):
    """Where to, signed with what, and of which events; none named means all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Url
    secret: SecretStr | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What waits for one webhook, which hears it in order: a slow one holds up itself alone."""

    webhook: Webhook
    pause_seconds: float = FIRST_PAUSE_SECONDS
    patience_seconds: float = PATIENCE_SECONDS  # for one try, from connecting to the answer's status
    waiting: asyncio.Queue[tuple[Event, bytes]] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def take(self, event: Event, body: bytes) -> None:
        """Let a message wait, where the webhook wants it; where too many wait already, it is given up."""
        if self.webhook.events and event not in self.webhook.events:
            return
        try:
            self.waiting.put_nowait((event, body))
        except asyncio.QueueFull:
            log.warning("a webhook did not hear of %s: %d messages wait for it", event, MOST_WAITING)

    async def deliver(self) -> NoReturn:
        """Deliver whatever waits, until cancelled."""
        async with httpx.AsyncClient(timeout=self.patience_seconds, follow_redirects=False) as client:
            while True:
                event, body = await self.waiting.get()
                try:
                    with faults_told():
                        why = await self._posted(client, body)
                except FinetuneFailed as error:
                    why = str(error)
                finally:
                    self.waiting.task_done()
                if why:
                    log.warning("a webhook did not hear of %s: %s", event, why)

    async def drained(self, seconds: float) -> None:
        """Wait for so long until nothing waits any more."""
        try:
            async with asyncio.timeout(seconds):
                await self.waiting.join()
        except TimeoutError:
            log.warning("a webhook did not hear of what was told last: it took more than %g s", seconds)

    async def _posted(self, client: httpx.AsyncClient, body: bytes) -> str:
        """Why it did not hear, after a few tries; nothing where it did."""
        why = ""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(self.pause_seconds * 2 ** (attempt - 1))
            try:
                status = await self._answer(client, body)
            except (httpx.HTTPError, TimeoutError) as error:
                why = type(error).__name__
                continue
            if 200 <= status < 300:
                return ""
            why = f"HTTP {status}"
            if status < 500 and status != 429:
                break
        return why

    async def _answer(self, client: httpx.AsyncClient, body: bytes) -> int:
        """The status; what else the webhook says is not read, for that may have no end."""
        asked = client.stream("POST", self.webhook.url, content=body, headers=headers_of(self.webhook, body))
        # httpx's own limit is that of each read: whoever sends a byte now and then never reaches it
        async with asyncio.timeout(self.patience_seconds), asked as answer:
            return answer.status_code


@dataclass(frozen=True, slots=True)
class Notifier:
    """The webhooks of the settings, told beside whatever tells them."""

    lines: Sequence[Line] = ()

    def tell(self, event: Event, text: str, **told: Any) -> None:
        """Tell whoever wants to hear, without waiting for them."""
        body = json.dumps({"event": event, "text": text, **told}, default=str).encode()
        for line in self.lines:
            line.take(event, body)


@asynccontextmanager
async def telling(
    webhooks: Sequence[Webhook],
    pause_seconds: float = FIRST_PAUSE_SECONDS,
    patience_seconds: float = PATIENCE_SECONDS,
    last_words_seconds: float = LAST_WORDS_SECONDS,
) -> AsyncIterator[Notifier]:
    """Whoever tells them, as long as the block lasts; what waits at its end has so many seconds to be delivered."""
    lines = [Line(each, pause_seconds, patience_seconds) for each in webhooks]
    async with AsyncExitStack() as delivering:
        for line in lines:
            await delivering.enter_async_context(running(line.deliver(), "webhook"))
        try:
            yield Notifier(lines)
        finally:
            await asyncio.gather(*(line.drained(last_words_seconds) for line in lines))


def headers_of(webhook: Webhook, body: bytes) -> dict[str, str]:
    """What goes with a body: its kind, the time, and the signature where there is a secret."""
    stamp = str(int(time.time()))
    headers = {"content-type": "application/json", "x-trimtab-timestamp": stamp}
    if webhook.secret is not None:
        headers["x-trimtab-signature"] = signature(webhook.secret.get_secret_value(), stamp, body)
    return headers


def signature(secret: str, stamp: str, body: bytes) -> str:
    """What whoever receives a body compares its signature with."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
