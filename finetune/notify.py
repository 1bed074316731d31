"""Tells people's systems what the loop did: a signed POST to each webhook that wants to hear of it.

The body is JSON with a `text` that chat systems show as it is; the header `x-trimtab-signature` is the hexadecimal
HMAC-SHA256, by the webhook's secret, of the timestamp in `x-trimtab-timestamp`, a dot and the body. What cannot be
delivered in a few tries is logged and given up: a webhook that is away never holds up a run.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr

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
log = logging.getLogger(__name__)


class Webhook(BaseModel):
    """Where to, signed with what, and of which events; none named means all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Url
    secret: SecretStr | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Notifier:
    """The webhooks of the settings."""

    webhooks: Sequence[Webhook] = ()
    pause_seconds: float = FIRST_PAUSE_SECONDS

    async def tell(self, event: Event, text: str, **told: Any) -> None:
        """Tell whoever wants to hear; returns when each has heard, or was given up."""
        body = json.dumps({"event": event, "text": text, **told}, default=str).encode()
        wanting = [each for each in self.webhooks if not each.events or event in each.events]
        await asyncio.gather(*(self._post(each, event, body) for each in wanting))

    async def _post(self, webhook: Webhook, event: str, body: bytes) -> None:
        why = ""
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, follow_redirects=False) as client:
            for attempt in range(TRIES):
                if attempt:
                    await asyncio.sleep(self.pause_seconds * 2 ** (attempt - 1))
                try:
                    answer = await client.post(webhook.url, content=body, headers=headers_of(webhook, body))
                except httpx.HTTPError as error:
                    why = type(error).__name__
                    continue
                if answer.is_success:
                    return
                why = f"HTTP {answer.status_code}"
                if answer.status_code < 500 and answer.status_code != 429:
                    break
        log.warning("a webhook did not hear of %s: %s", event, why)


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
