"""Anthropic's own client, and a plain way to ask, for every file about its surface."""

from collections.abc import Callable, Iterator

import anthropic
import httpx
import pytest

from tests.fakes.gateway import Running

HI = [{"role": "user", "content": "hi"}]
Ask = Callable[..., httpx.Response]


def client_of(gateway: Running, key: str = "application") -> anthropic.Anthropic:
    """Anthropic's own client; to be closed by whoever asked for it."""
    return anthropic.Anthropic(base_url=gateway.server.url, api_key=key, max_retries=0, timeout=30)


@pytest.fixture
def client(gateway: Running) -> Iterator[anthropic.Anthropic]:
    with client_of(gateway) as client:
        yield client


@pytest.fixture
def ask(http: httpx.Client) -> Ask:
    """Ask for a message as no SDK would: with whatever fields."""

    def asked(**body: object) -> httpx.Response:
        return http.post("/v1/messages", json={"model": "assistant", "max_tokens": 9, "messages": HI, **body})

    return asked
