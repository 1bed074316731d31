"""A client that leaves a stream, on every surface: the engine's own metrics show that it stopped working for it."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx
import pytest

from tests.fakes.gateway import Running, until

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif("TRIMTAB_TEST_VLLM" not in os.environ, reason="see .ci/vllm for how to make one"),
]

LONG = 6000  # tokens, of which a client that leaves at the first word hears few
CHOICES = 3
TRIES = 3  # now and then vLLM's server hears of nothing, a client that leaves among it, until all is said
PATIENCE = 30.0  # seconds; on a busy machine vLLM takes five to tell its metrics while it streams
HI: Any = [{"role": "user", "content": "How do I do it?"}]
# A model as small as this floods vLLM's own server, which then hears of nothing until all is said: so it tells
# several tokens at once.
ENDLESS: Any = {"model": "assistant", "extra_body": {"ignore_eos": True, "stream_interval": 20}}
NATURAL = ("stop", "length", "error")


@contextmanager
def chat(gateway: Running) -> Iterator[Any]:
    with (
        gateway.sdk(timeout=PATIENCE) as sdk,
        sdk.chat.completions.create(**ENDLESS, messages=HI, max_tokens=LONG, stream=True) as stream,
    ):
        yield stream


@contextmanager
def several(gateway: Running) -> Iterator[Any]:
    with (
        gateway.sdk(timeout=PATIENCE) as sdk,
        sdk.chat.completions.create(
            **ENDLESS, messages=HI, max_tokens=LONG, stream=True, n=CHOICES
        ) as stream,
    ):
        yield stream


@contextmanager
def text(gateway: Running) -> Iterator[Any]:
    with (
        gateway.sdk(timeout=PATIENCE) as sdk,
        sdk.completions.create(**ENDLESS, prompt="Sure!", max_tokens=LONG, stream=True) as stream,
    ):
        yield stream


@contextmanager
def message(gateway: Running) -> Iterator[Any]:
    with (
        anthropic.Anthropic(base_url=gateway.server.url, api_key="application", max_retries=0) as client,
        client.messages.create(**ENDLESS, messages=HI, max_tokens=LONG, stream=True) as stream,
    ):
        yield stream


@contextmanager
def response(gateway: Running) -> Iterator[Any]:
    with (
        gateway.sdk(timeout=PATIENCE) as sdk,
        sdk.responses.create(
            **ENDLESS, input="How do I do it?", max_output_tokens=LONG, stream=True
        ) as stream,
    ):
        yield stream


Opening = Callable[[Running], Any]


@pytest.mark.parametrize("opening", [chat, several, text, message, response])
def test_a_stream_that_is_left_is_aborted_in_the_engine(opening: Opening, gateway: Running) -> None:
    asked_for = CHOICES * LONG if opening is several else LONG
    assert any(aborted(opening, gateway, asked_for) for _ in range(TRIES))


def aborted(opening: Opening, gateway: Running, asked_for: int) -> bool:
    """Whether an engine whose client left at the first word made fewer tokens than were asked for, and did not end."""
    before = figures(gateway)
    with opening(gateway) as stream:
        next(iter(stream))
    assert until(lambda: figures(gateway)["running"] == 0, PATIENCE)
    after = figures(gateway)
    made = after["generated"] - before["generated"]
    return 0 < made < asked_for and after["ended"] == before["ended"]


def test_a_plain_request_that_is_left_is_aborted_in_the_engine(gateway: Running) -> None:
    before = figures(gateway)
    asked = {"model": "assistant", "messages": HI, "max_tokens": LONG, "ignore_eos": True}
    with gateway.http() as http, pytest.raises(httpx.ReadTimeout):
        http.post("/v1/chat/completions", json=asked, timeout=1.0)
    assert until(lambda: figures(gateway)["running"] == 0, PATIENCE)
    after = figures(gateway)
    assert after["generated"] - before["generated"] < LONG
    assert after["ended"] == before["ended"]


def figures(gateway: Running) -> Mapping[str, float]:
    """How many requests the engine works for, the tokens it has made, and the answers that came to their own end.

    vLLM has a reason `abort` for answers that ended, and never counts one under it.
    """
    url = gateway.tools.settings.engines[0].url.removesuffix("/v1")
    found = {"running": 0.0, "generated": 0.0, "ended": 0.0}
    for line in httpx.get(f"{url}/metrics", timeout=PATIENCE).text.splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith("vllm:num_requests_running{"):
            found["running"] += float(value)
        elif name.startswith("vllm:generation_tokens_total{"):
            found["generated"] += float(value)
        elif name.startswith("vllm:request_success_total{") and any(
            f'finished_reason="{reason}"' in name for reason in NATURAL
        ):
            found["ended"] += float(value)
    return found
