"""What the engine is asked for when a client asks for a message."""

from contextlib import suppress
from typing import Any

import anthropic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.messages.asked import READERS, chat_of
from gateway.errors import BadRequest
from tests.fakes.gateway import Running

HI = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def create(client: anthropic.Anthropic, **asked: Any) -> anthropic.types.Message:
    return client.messages.create(**{"model": "assistant", "max_tokens": 9, "messages": HI, **asked})


def test_a_plain_message_is_a_plain_chat_completion(gateway: Running, client: anthropic.Anthropic) -> None:
    create(client, extra_body={"temperature": 0.2, "top_p": 0.9, "top_k": 5})
    assert gateway.engine.asked.path == "/v1/chat/completions"
    assert gateway.engine.asked.body == {
        "model": "base",
        "messages": HI,
        "max_tokens": 9,
        "temperature": 0.2,
        "top_p": 0.9,
        "top_k": 5,
    }


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"stop_sequences": ["END", "\n"]}, {"stop": ["END", "\n"]}),
        ({"stop_sequences": []}, {}),
        ({"metadata": {"user_id": "u-1"}}, {"user": "u-1"}),
        ({"metadata": {}}, {}),
        ({"service_tier": "auto", "cache_control": {"type": "ephemeral"}}, {}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, {"thinking_token_budget": 2048}),
        ({"thinking": {"type": "adaptive"}}, {}),
        ({"thinking": {"type": "disabled"}}, {}),
        ({"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
                }
            },
        ),
        ({"extra_body": {"seed": 4, "of_tomorrow": {"a": 1}}}, {"seed": 4, "of_tomorrow": {"a": 1}}),
    ],
)
def test_every_field_reaches_the_engine_under_its_name_there(
    asked: dict[str, Any], sent: dict[str, Any], gateway: Running, client: anthropic.Anthropic
) -> None:
    create(client, **asked)
    assert gateway.engine.asked.body == {"model": "base", "messages": HI, "max_tokens": 9, **sent}


def test_an_answer_that_the_client_began_is_gone_on_with(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    begun = {"role": "assistant", "content": "The best answer is ("}
    create(client, messages=[*HI, begun])
    sent = gateway.engine.asked.body
    assert sent["messages"][-1] == begun
    assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)


def test_a_user_of_the_application_is_recorded(gateway: Running, client: anthropic.Anthropic) -> None:
    create(client, metadata={"user_id": "u-1"})
    assert gateway.recorded.subject == "u-1"


def test_the_beta_client_asks_in_the_same_way(gateway: Running, client: anthropic.Anthropic) -> None:
    client.beta.messages.create(model="assistant", max_tokens=9, messages=HI, betas=["some-2026-01-01"])
    assert gateway.engine.asked.body == {"model": "base", "messages": HI, "max_tokens": 9}


NAMES = ("type", "role", "content", "source", "url", "id", "name", "input", "input_schema", "tool_use_id")  # fmt: skip
KINDS = ("text", "user", "assistant", "system", "tool_use", "tool_result", "image", "tool", "enabled")  # fmt: skip
WORDS = st.sampled_from((*NAMES, *KINDS))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(WORDS, inside, max_size=4),
    max_leaves=12,
)
FIELDS = st.dictionaries(st.sampled_from(["system", "messages", *READERS]), ANYTHING, max_size=3)


@given(FIELDS)
@settings(max_examples=80, deadline=None)
def test_whatever_is_asked_is_a_chat_completion_or_a_wrong_request(asked: dict[str, Any]) -> None:
    with suppress(BadRequest):
        chat = chat_of({"model": "assistant", "max_tokens": 9, "messages": HI, **asked})
        assert all(isinstance(turn["role"], str) for turn in chat["messages"])
