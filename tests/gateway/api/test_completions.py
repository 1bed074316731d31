"""The legacy surface through OpenAI's own client: a text goes in and goes on, guarded like a conversation."""

import json

import httpx
import openai
import pytest

from tests.fakes.gateway import Running
from tests.fakes.guards import REDACTED, REFUSED


def ask(http: httpx.Client, prompt: object = "Once", **body: object) -> httpx.Response:
    return http.post("/v1/completions", json={"model": "assistant", "prompt": prompt, **body})


def test_the_official_client_gets_its_text(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(" upon a time.")
    answer = sdk.completions.create(model="assistant", prompt="Once", max_tokens=8, seed=3)
    assert answer.choices[0].text == " upon a time."
    assert (answer.object, answer.model, answer.choices[0].finish_reason) == (
        "text_completion",
        "assistant",
        "stop",
    )
    assert answer.usage
    assert answer.usage.completion_tokens == 5


def test_the_engine_is_asked_for_a_text_and_gets_every_field(gateway: Running, http: httpx.Client) -> None:
    ask(http, max_tokens=8, seed=3, echo=False, brand_new=7)
    assert gateway.engine.asked.path == "/v1/completions"
    assert gateway.engine.asked.body == {
        "prompt": "Once",
        "model": "base",
        "max_tokens": 8,
        "seed": 3,
        "echo": False,
        "brand_new": 7,
    }


def test_n_texts_come_back_as_n_choices(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says("one", "two")
    answer = sdk.completions.create(model="assistant", prompt="Count", n=2)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(0, "one"), (1, "two")]


def test_a_stream_says_the_same_text(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says("a fairly long answer " * 20)
    with sdk.completions.create(
        model="assistant", prompt="Go", stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "a fairly long answer " * 20
    assert {chunk.object for chunk in chunks} == {"text_completion"}
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage


@pytest.mark.parametrize("stream", [False, True])
def test_a_text_that_is_refused_is_not_delivered(
    gateway: Running, http: httpx.Client, *, stream: bool
) -> None:
    gateway.engine.says(f"it goes on with a {REFUSED} in it " * 20)
    answer = ask(http, stream=stream)
    assert REFUSED not in answer.text
    assert '"content_filter"' in answer.text
    assert gateway.recorded.flagged


def test_a_redacted_prompt_goes_on_redacted(gateway: Running, http: httpx.Client) -> None:
    ask(http, f"My {REDACTED} is")
    assert REDACTED not in gateway.engine.asked.body["prompt"]


def test_the_old_log_probabilities_keep_their_shape(gateway: Running, http: httpx.Client) -> None:
    logprobs = {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": None, "text_offset": [0]}
    choice = {"index": 0, "text": "a", "logprobs": logprobs, "finish_reason": "length"}
    gateway.engine.says(raw=b'{"choices": [%s]}' % json.dumps(choice).encode())
    assert ask(http, logprobs=1).json()["choices"][0]["logprobs"] == logprobs


@pytest.mark.parametrize("prompt", [[1, 2, 3], ["a", "b"], None, {"text": "a"}, [[1]]])
def test_what_is_no_single_text_is_refused_by_its_name(http: httpx.Client, prompt: object) -> None:
    answer = ask(http, prompt)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "prompt"


def test_other_fields_keep_their_names_in_errors(http: httpx.Client) -> None:
    assert ask(http, n=99).json()["error"]["param"] == "n"


def test_an_answer_that_is_no_completion_is_the_engines_fault(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(raw=b'{"choices": [{"index": 0}]}')
    assert ask(http).status_code == 502


def test_an_engine_that_has_chats_only_is_told_as_such(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(refuse=(404, {"detail": "Not Found"}))
    answer = ask(http)
    assert answer.status_code == 404
    assert "/v1/chat/completions" in answer.json()["error"]["message"]
