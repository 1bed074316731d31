"""What log probabilities spell beside the text: guards read it, and where they find something none of it leaves."""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from gateway.spelling import unread
from tests.fakes.engine import sse
from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import REFUSED

Json = dict[str, Any]
SAID = "Hello there."


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway() as running:
        yield running


def token(text: str, *others: str, **more: Any) -> Json:
    tops = [{"token": each, "logprob": -1.0, "bytes": list(each.encode())} for each in others]
    return {"token": text, "logprob": -0.1, "bytes": list(text.encode()), "top_logprobs": tops, **more}


HONEST = [token("Hello"), token(" there", " there", " world"), token(".")]
BAD = {
    "tokens that are not the text": [token(REFUSED)],
    "an alternative": [token("Hello", REFUSED), *HONEST[1:]],
    "an alternative in pieces": [token("Hello", REFUSED[:3]), token(" there.", REFUSED[3:])],
    "bytes that say something else": [token("Hello", bytes=list(REFUSED.encode())), *HONEST[1:]],
    "a field of nobody's": [token("Hello", note=REFUSED), *HONEST[1:]],
}


def ask(http: httpx.Client, **body: Any) -> httpx.Response:
    asked = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}], "logprobs": True, **body}
    return http.post("/v1/chat/completions", json=asked)


def plain(gateway: Running, tokens: list[Json]) -> None:
    message = {"role": "assistant", "content": SAID}
    choice = {"index": 0, "message": message, "logprobs": {"content": tokens}, "finish_reason": "stop"}
    gateway.engine.says(raw=orjson.dumps({"choices": [choice]}))


def streamed(gateway: Running, tokens: list[Json]) -> None:
    first = {"index": 0, "delta": {"content": SAID}, "logprobs": {"content": tokens}, "finish_reason": None}
    last = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    told = [sse({"choices": [each]}) for each in (first, last)]
    gateway.engine.says(frames=(*told, b"data: [DONE]\n\n"))


@pytest.mark.parametrize("tokens", BAD.values(), ids=BAD)
def test_what_is_refused_does_not_leave_in_an_answers_tokens(
    tokens: list[Json], gateway: Running, http: httpx.Client
) -> None:
    plain(gateway, tokens)
    answer = ask(http)
    choice = answer.json()["choices"][0]
    assert (choice["message"]["content"], choice["logprobs"]) == (SAID, None)
    assert "log probabilities" in answer.headers["x-trimtab-degraded"]


@pytest.mark.parametrize("tokens", BAD.values(), ids=BAD)
def test_what_is_refused_does_not_leave_in_a_streams_tokens(
    tokens: list[Json], gateway: Running, http: httpx.Client
) -> None:
    streamed(gateway, tokens)
    text = ask(http, stream=True).text
    assert SAID in text
    assert '"token"' not in text


def test_harmless_alternatives_leave(gateway: Running, http: httpx.Client) -> None:
    plain(gateway, HONEST)
    assert ask(http).json()["choices"][0]["logprobs"] == {"content": HONEST}


def test_what_spells_the_text_needs_no_reading() -> None:
    assert unread({"content": [token("Hello"), token(" there"), token(".")], "refusal": None}, SAID) == {}
