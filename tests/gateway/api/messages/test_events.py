"""Streams through Anthropic's own client, and event by event."""

import json
from typing import Any

import anthropic
import httpx
import pytest

from tests.fakes.engine import chunk
from tests.fakes.gateway import Running
from tests.fakes.guards import REDACTED, REFUSED, word_screen

ASK: dict[str, Any] = {"model": "assistant", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
LONG = "a fairly long answer of many words " * 20


def events_of(http: httpx.Client, **asked: Any) -> list[dict[str, Any]]:
    """The payloads of all events, each of which has its type for a name."""
    answer = http.post("/v1/messages", json={**ASK, "stream": True, **asked})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = []
    for frame in answer.text.removesuffix("\n\n").split("\n\n"):
        name, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def final(client: anthropic.Anthropic, **asked: Any) -> anthropic.types.Message:
    with client.messages.stream(**{**ASK, **asked}) as stream:
        return stream.get_final_message()


def test_the_official_client_hears_the_text_as_it_comes(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    gateway.engine.says(LONG)
    with client.messages.stream(**ASK) as stream:
        pieces = list(stream.text_stream)
    assert "".join(pieces) == LONG
    assert len(pieces) > 10


def test_a_stream_ends_in_the_message_that_would_have_come_whole(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    said = {"role": "assistant", "content": LONG, "tool_calls": [call], "reasoning": "I think. " * 9}
    gateway.engine.says(messages=(said,), finish_reason="tool_calls")
    streamed, whole = (
        {**message.to_dict(exclude_none=True), "id": ""}
        for message in (final(client), client.messages.create(**ASK))
    )
    assert [block["type"] for block in streamed["content"]] == ["thinking", "text", "tool_use"]
    assert streamed == whole


def test_events_come_in_anthropics_order(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("Hello.", chunk_length=10)
    events = events_of(http)
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    message = events[0]["message"]
    assert (message["content"], message["stop_reason"], message["model"]) == ([], None, "assistant")
    assert events[1]["content_block"] == {"type": "text", "text": ""}
    assert events[4]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert (events[4]["usage"]["input_tokens"], events[4]["usage"]["output_tokens"]) == (7, 5)


def test_every_block_begins_once_and_ends_once(gateway: Running, http: httpx.Client) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"role": "assistant", "content": LONG, "tool_calls": [call, call], "reasoning": LONG}
    gateway.engine.says(messages=(said,), finish_reason="tool_calls")
    open_now: list[int] = []
    seen = 0
    for event in events_of(http):
        if event["type"] == "content_block_start":
            assert event["index"] == seen
            open_now.append(seen)
            seen += 1
        elif event["type"] == "content_block_delta":
            assert event["index"] in open_now
        elif event["type"] == "content_block_stop":
            open_now.remove(event["index"])
    assert (seen, open_now) == (4, [])


def test_usage_is_told_once_though_the_client_asks_as_openais_do(
    gateway: Running, http: httpx.Client
) -> None:
    events = events_of(http, stream_options={"include_usage": True})
    assert [event["type"] for event in events].count("message_delta") == 1


@pytest.mark.parametrize(
    ("finished", "stop_reason"), [("length", "max_tokens"), ("content_filter", "refusal")]
)
def test_a_stream_says_why_it_ends(
    finished: str, stop_reason: str, gateway: Running, client: anthropic.Anthropic
) -> None:
    gateway.engine.says("Well", finish_reason=finished)
    assert final(client).stop_reason == stop_reason


def test_a_stop_sequence_that_was_met_is_named(gateway: Running, client: anthropic.Anthropic) -> None:
    last = json.loads(chunk({}, 0, {}, "stop").removeprefix(b"data: "))
    last["choices"][0]["stop_reason"] = "END"
    frames = (chunk({}, 0, {"content": "Well"}), b"data: %s\n\n" % json.dumps(last).encode())
    gateway.engine.says(frames=(*frames, b"data: [DONE]\n\n"))
    message = final(client, stop_sequences=["END"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")


def test_an_empty_answer_has_no_blocks(gateway: Running, client: anthropic.Anthropic) -> None:
    gateway.engine.says(messages=({"role": "assistant", "content": ""},))
    message = final(client)
    assert (message.content, message.stop_reason) == ([], "end_turn")


def test_a_refused_prompt_is_answered_with_the_policys_words(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    message = final(client, messages=[{"role": "user", "content": REFUSED}])
    assert (message.content[0].text, message.stop_reason) == ("I'd rather not.", "refusal")
    assert not gateway.engine.requests


@pytest.mark.parametrize("said", [f"the {REFUSED} sings", f"{LONG} the {REFUSED} sings {LONG}"])
def test_what_is_withheld_in_the_middle_is_never_heard(
    said: str, gateway: Running, client: anthropic.Anthropic, http: httpx.Client
) -> None:
    gateway.engine.says(said)
    assert final(client).stop_reason == "refusal"
    assert REFUSED not in http.post("/v1/messages", json={**ASK, "stream": True}).text


def test_a_thought_is_guarded_like_what_is_said(gateway: Running, http: httpx.Client) -> None:
    said = {"role": "assistant", "content": "Hello.", "reasoning": f"{LONG} {REFUSED} {LONG}"}
    gateway.engine.says(messages=(said,))
    events = events_of(http)
    assert REFUSED not in json.dumps(events)
    assert events[-2]["delta"]["stop_reason"] == "refusal"


def test_a_thought_that_the_engine_tells_under_both_names_is_one(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    thought = {"reasoning": LONG, "reasoning_content": LONG}
    gateway.engine.says(messages=({"role": "assistant", "content": "Hello.", **thought},))
    assert [getattr(block, "thinking", "") for block in final(client).content] == [LONG, ""]


def test_a_redacted_stream_lacks_the_secret(gateway: Running, client: anthropic.Anthropic) -> None:
    gateway.engine.says(f"your {REDACTED} is here", chunk_length=2)
    assert final(client).content[0].text == "your [secret removed] is here"


def test_an_engine_that_breaks_off_raises_in_the_client(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    gateway.engine.says(LONG, cut_after=30)
    heard = []
    with client.messages.stream(**ASK) as stream, pytest.raises(anthropic.APIStatusError) as broken:
        heard.extend(stream.text_stream)
    assert heard
    assert broken.value.body["error"]["type"] == "overloaded_error"


def test_after_an_error_nothing_comes(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(LONG, cut_after=30)
    events = events_of(http)
    assert events[-1]["type"] == "error"
    assert "message_stop" not in [event["type"] for event in events]


def test_an_engine_that_fails_before_the_first_word_has_an_honest_status(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    gateway.engine.says(refuse=(500, {}))
    with pytest.raises(anthropic.InternalServerError), client.messages.stream(**ASK) as stream:
        stream.get_final_message()


def test_a_policy_may_refuse_with_an_error(gateway: Running, http: httpx.Client) -> None:
    gateway.reset(word_screen(shape="error"))
    gateway.engine.says(f"{LONG} the {REFUSED} sings")
    told = events_of(http)[-1]
    assert (told["error"]["type"], told["error"]["code"]) == (
        "invalid_request_error",
        "content_policy_violation",
    )


def test_the_best_of_several_answers_is_streamed_once_it_is_known(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    longest = {"role": "assistant", "content": "the longest answer", "reasoning": "Think."}
    gateway.engine.says(messages=({"role": "assistant", "content": "short"}, longest))
    message = final(client, extra_body={"alignment": {"n": 2}})
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[1].text == "the longest answer"


@pytest.mark.parametrize("n", [1, 2])
def test_the_explanation_comes_with_the_end(n: int, gateway: Running, http: httpx.Client) -> None:
    told = events_of(http, alignment={"n": n, "explain": True})[-2]
    assert told["type"] == "message_delta"
    assert told["alignment"]["exchange"] == gateway.recorded.id
