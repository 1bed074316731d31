"""What comes back whole, through Anthropic's own client."""

import json
from typing import Any

import anthropic
import pytest

from tests.fakes.engine import completion
from tests.fakes.gateway import Running
from tests.fakes.guards import FLAGGED, REDACTED, REFUSED, word_screen

ASK: dict[str, Any] = {"model": "assistant", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def test_the_official_client_gets_its_message(gateway: Running, client: anthropic.Anthropic) -> None:
    message = client.messages.create(**ASK)
    assert message.to_dict() == {
        "id": f"msg_{gateway.recorded.id}",
        "type": "message",
        "role": "assistant",
        "model": "assistant",
        "content": [{"type": "text", "text": "Hello there."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 7,
            "output_tokens": 5,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


def test_the_exchange_is_in_the_headers(gateway: Running, client: anthropic.Anthropic) -> None:
    headers = client.messages.with_raw_response.create(**ASK).headers
    assert headers["x-trimtab-exchange"] == gateway.recorded.id
    assert headers["x-trimtab-version"] == "base"


@pytest.mark.parametrize(
    ("finished", "stop_reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
        ("of_tomorrow", "end_turn"),
    ],
)
def test_a_message_says_why_it_ends(
    finished: str, stop_reason: str, gateway: Running, client: anthropic.Anthropic
) -> None:
    gateway.engine.says("Well", finish_reason=finished)
    assert client.messages.create(**ASK).stop_reason == stop_reason


@pytest.mark.parametrize(
    ("matched", "stop_reason", "stop_sequence"),
    [("END", "stop_sequence", "END"), (128001, "end_turn", None), (f"a {REFUSED}", "end_turn", None)],
)
def test_a_stop_sequence_that_was_met_is_named(
    matched: Any, stop_reason: str, stop_sequence: str | None, gateway: Running, client: anthropic.Anthropic
) -> None:
    whole = completion({"model": "base"}, gateway.engine.script)
    whole["choices"][0]["stop_reason"] = matched
    gateway.engine.says(raw=json.dumps(whole).encode())
    message = client.messages.create(**ASK, stop_sequences=["END"])
    assert (message.stop_reason, message.stop_sequence) == (stop_reason, stop_sequence)


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_what_the_engine_thought_comes_first(
    name: str, gateway: Running, client: anthropic.Anthropic
) -> None:
    gateway.engine.says(messages=({"role": "assistant", "content": "Hello.", name: "Greet."},))
    thought, said = client.messages.create(**ASK).content
    assert (thought.type, thought.thinking, thought.signature) == ("thinking", "Greet.", "")
    assert said.text == "Hello."


def test_a_thought_that_the_engine_tells_under_both_names_is_one(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    thought = {"reasoning": "Greet.", "reasoning_content": "Greet."}
    gateway.engine.says(messages=({"role": "assistant", "content": "Hello.", **thought},))
    assert client.messages.create(**ASK).content[0].thinking == "Greet."


def test_a_model_that_declines_in_its_own_words_is_heard(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    gateway.engine.says(messages=({"role": "assistant", "content": None, "refusal": "I will not."},))
    assert client.messages.create(**ASK).content[0].text == "I will not."


def test_an_empty_answer_has_no_blocks(gateway: Running, client: anthropic.Anthropic) -> None:
    gateway.engine.says(messages=({"role": "assistant", "content": ""},))
    assert client.messages.create(**ASK).content == []


def test_a_refused_prompt_is_answered_with_the_policys_words(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    message = client.messages.create(**{**ASK, "messages": [{"role": "user", "content": REFUSED}]})
    assert (message.content[0].text, message.stop_reason) == ("I'd rather not.", "refusal")
    assert not gateway.engine.requests
    assert gateway.recorded.flagged


def test_a_refused_reply_is_replaced(gateway: Running, client: anthropic.Anthropic) -> None:
    gateway.engine.says(f"the {REFUSED} sings")
    message = client.messages.create(**ASK)
    assert (message.content[0].text, message.stop_reason) == ("I'd rather not.", "refusal")


def test_a_policy_may_refuse_with_an_error(gateway: Running, client: anthropic.Anthropic) -> None:
    gateway.reset(word_screen(shape="error"))
    gateway.engine.says(f"the {REFUSED} sings")
    with pytest.raises(anthropic.BadRequestError) as refusal:
        client.messages.create(**ASK)
    assert refusal.value.body["error"]["code"] == "content_policy_violation"


def test_a_redacted_reply_is_delivered_without_the_secret(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    gateway.engine.says(f"your {REDACTED} is here")
    assert client.messages.create(**ASK).content[0].text == "your [secret removed] is here"


def test_the_best_of_several_answers_is_chosen_and_explained(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    gateway.engine.says("short", "the longest answer", f"an even longer {FLAGGED} {REFUSED} answer")
    message = client.messages.create(**ASK, extra_body={"alignment": {"n": 3, "explain": True}})
    assert message.content[0].text == "the longest answer"
    assert message.usage.output_tokens == 15
    told = message.to_dict()["alignment"]
    assert (told["exchange"], told["strategy"]) == (gateway.recorded.id, "best_of_n")
    assert [each["chosen"] for each in told["candidates"]] == [False, True, False]
