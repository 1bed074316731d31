"""Token counts through Anthropic's own client: the engine's, of the same prompt that a message would send."""

from typing import Any

import anthropic
import httpx
import pytest

from tests.fakes.gateway import Running, until
from tests.fakes.guards import REFUSED
from tests.gateway.api.messages.conftest import HI, client_of
from tests.gateway.api.messages.test_functions import SCHEMA, TOOL

ASK: dict[str, Any] = {"model": "assistant", "messages": HI}
IMAGE = {"type": "image", "source": {"type": "url", "url": "http://10.0.0.1/a.png"}}


def test_the_engine_counts(gateway: Running, client: anthropic.Anthropic) -> None:
    assert client.messages.count_tokens(**ASK, system="Be brief.").input_tokens == 2 * 3
    assert gateway.engine.asked.path == "/tokenize"


def test_what_is_counted_is_what_a_message_would_send(gateway: Running, client: anthropic.Anthropic) -> None:
    begun = [*HI, {"role": "assistant", "content": "I"}]
    client.messages.count_tokens(model="assistant", messages=begun, system="Be brief.", tools=[TOOL])
    function = {"name": "weather", "description": "Looks outside.", "parameters": SCHEMA}
    assert gateway.engine.asked.body == {
        "model": "base",
        "messages": [{"role": "system", "content": "Be brief."}, *begun],
        "tools": [{"type": "function", "function": function}],
        "add_generation_prompt": False,
        "continue_final_message": True,
    }


def test_nothing_that_only_an_answer_needs_reaches_the_engine(gateway: Running, http: httpx.Client) -> None:
    answer = http.post("/v1/messages/count_tokens", json={**ASK, "stream": True, "max_tokens": 9, "odd": 1})
    assert answer.json() == {"input_tokens": 3}
    assert gateway.engine.asked.body.keys() == {"model", "messages"}


def test_a_count_is_no_exchange(gateway: Running, client: anthropic.Anthropic) -> None:
    client.messages.count_tokens(model="assistant", messages=[{"role": "user", "content": REFUSED}])
    assert not gateway.recorder.exchanges


def test_a_count_is_counted_as_a_request(gateway: Running, client: anthropic.Anthropic) -> None:
    labels = {"route": "count_tokens", "outcome": "answered", "strategy": "none"}
    before = gateway.metric("trimtab_requests_total", **labels)
    client.messages.count_tokens(**ASK)
    assert until(lambda: gateway.metric("trimtab_requests_total", **labels) == before + 1)


def test_an_engine_without_a_tokenizer_says_so(gateway: Running, client: anthropic.Anthropic) -> None:
    gateway.engine.says(refuse=(404, {"detail": "Not Found"}))
    with pytest.raises(anthropic.NotFoundError, match="counts no tokens") as error:
        client.messages.count_tokens(**ASK)
    assert error.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]


def test_an_engine_that_breaks_is_an_error_of_ours(gateway: Running, client: anthropic.Anthropic) -> None:
    gateway.engine.says(refuse=(500, {}))
    with pytest.raises(anthropic.InternalServerError):
        client.messages.count_tokens(**ASK)


def test_without_a_key_nothing_is_counted(gateway: Running) -> None:
    with client_of(gateway, "nobody") as client, pytest.raises(anthropic.AuthenticationError):
        client.messages.count_tokens(**ASK)


def test_a_viewer_may_not_ask(gateway: Running) -> None:
    with client_of(gateway, "viewer") as client, pytest.raises(anthropic.PermissionDeniedError):
        client.messages.count_tokens(**ASK)


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"model": 7}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0.type"),
    ],
)
def test_a_wrong_field_is_named(asked: dict[str, Any], param: str, http: httpx.Client) -> None:
    answer = http.post("/v1/messages/count_tokens", json={**ASK, **asked})
    told = answer.json()["error"]
    assert (answer.status_code, told["type"], told["param"]) == (400, "invalid_request_error", param)


def test_an_unknown_model_has_no_count(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="no model"):
        client.messages.count_tokens(**{**ASK, "model": "nobody"})
