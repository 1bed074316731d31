"""The pocket engine behind the gateway, on the surfaces that need more of an engine than chats."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from gateway.engines.pocket.model import PocketModel
from tests.fakes.gateway import Running, running_gateway

PROMPT = "Sure! First you"


@pytest.fixture(scope="module")
def gateway(url: str) -> Iterator[Running]:
    engines = [{"name": "pocket", "url": f"{url}/v1"}]
    with running_gateway(engines=engines, base_model="tiny") as running:
        yield running


@pytest.fixture
def sdk(gateway: Running) -> Iterator[openai.OpenAI]:
    with gateway.sdk() as client:
        yield client


def test_texts_go_on(sdk: openai.OpenAI) -> None:
    answer = sdk.completions.create(model="assistant", prompt=PROMPT, n=2, seed=1, logprobs=1)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.logprobs and choice.logprobs.tokens for choice in answer.choices)


def test_a_streamed_text_is_the_whole_one(sdk: openai.OpenAI) -> None:
    asked = {"model": "assistant", "prompt": PROMPT, "temperature": 0, "max_tokens": 40, "logprobs": 1}
    whole = sdk.completions.create(**asked).choices[0]  # type: ignore[call-overload]
    with sdk.completions.create(**asked, stream=True) as stream:  # type: ignore[call-overload]
        choices = [choice for chunk in stream for choice in chunk.choices]
    assert "".join(choice.text for choice in choices) == whole.text
    offsets = [offset for each in choices if each.logprobs for offset in each.logprobs.text_offset]
    assert offsets == whole.logprobs.text_offset


def test_tokens_are_counted_as_they_are_charged(gateway: Running, model: PocketModel) -> None:
    asked = {"model": "assistant", "messages": [{"role": "user", "content": "How do I do it?"}]}
    with anthropic.Anthropic(base_url=gateway.server.url, api_key="application", max_retries=0) as client:
        counted = client.messages.count_tokens(**asked).input_tokens  # type: ignore[arg-type]
        answer = client.messages.create(**asked, max_tokens=1)  # type: ignore[call-overload]
    assert counted == answer.usage.input_tokens == len(model.render(asked["messages"]))  # type: ignore[arg-type]
