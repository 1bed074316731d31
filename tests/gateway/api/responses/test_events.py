"""Streamed responses through OpenAI's own client: its events, in its order, and nothing that was refused."""

import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tests.fakes.gateway import Running
from tests.fakes.guards import REDACTED, REFUSED
from tests.gateway.api.responses.test_surface import CALLS, WEATHER

LONG = "a fairly long answer " * 10
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def stream(http: httpx.Client, asked: object = "hi", **body: object) -> list[dict[str, Any]]:
    """The events, as they stand in the frames."""
    answer = http.post("/v1/responses", json={"model": "assistant", "input": asked, "stream": True, **body})
    assert answer.status_code == 200, answer.text
    frames = [frame.split("\n") for frame in answer.text.strip().split("\n\n")]
    events = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [name for name, _ in frames] == [f"event: {event['type']}" for event in events]
    return events


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """The types, each run of deltas once."""
    types = [event["type"].removeprefix("response.") for event in events]
    return [kind for kind, last in zip(types, ["", *types], strict=False) if kind != last]


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def test_the_official_client_puts_a_stream_together(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(LONG)
    with sdk.responses.stream(model="assistant", input="hi") as streamed:
        events = list(streamed)
        answer = streamed.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert answer.output_text == LONG
    assert answer.usage
    assert answer.usage.output_tokens == 5


def test_events_come_in_their_order(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(LONG)
    events = stream(http)
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert text_of(events) == LONG


@pytest.mark.parametrize(
    "message",
    [
        {"content": LONG},
        {"content": ""},
        {"content": "short", "reasoning": LONG},
        {"content": LONG, "reasoning_content": "short"},
        {"content": None, "refusal": "I would rather not do this at all."},
        {**CALLS, "content": "Let me look that up for you."},
    ],
    ids=["text", "nothing", "reasoning", "short reasoning", "refusal", "calls"],
)
def test_a_stream_ends_with_the_same_answer_as_a_plain_one(
    message: dict[str, Any], gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(messages=({"role": "assistant", **message},))
    plain = http.post("/v1/responses", json={"model": "assistant", "input": "hi"}).json()
    events = stream(http)
    for event in events:
        EVENT.validate_python(event, strict=True)
    assert shape_of(events[-1]["response"]) == shape_of(plain)


def shape_of(response: dict[str, Any]) -> str:
    """The response without what differs between any two."""
    text = json.dumps({**response, "created_at": 0}, sort_keys=True)
    return text.replace(response["id"].removeprefix("resp_"), "ID")


@pytest.mark.parametrize("message", [{"content": LONG, "reasoning": LONG}, CALLS], ids=["reasoning", "calls"])
def test_every_item_is_opened_filled_and_closed(
    message: dict[str, Any], gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(messages=({"role": "assistant", **message},))
    events = stream(http)
    added = {event["output_index"]: event["item"] for event in events if event["type"].endswith("item.added")}
    done = {event["output_index"]: event["item"] for event in events if event["type"].endswith("item.done")}
    assert [added[index]["id"] for index in sorted(added)] == [done[index]["id"] for index in sorted(done)]
    assert {item["status"] for item in done.values()} == {"completed"}
    assert list(done.values()) == events[-1]["response"]["output"]


def test_arguments_are_streamed(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(messages=(CALLS,), finish_reason="tool_calls")
    with sdk.responses.stream(model="assistant", input="hi", tools=[WEATHER]) as streamed:
        events = list(streamed)
        answer = streamed.get_final_response()
    said = [event.arguments for event in events if event.type == "response.function_call_arguments.done"]
    assert said == ['{"city":"Oslo"}'] * 2
    assert [item.call_id for item in answer.output] == ["c1", "c2"]  # type: ignore[union-attr]


def test_a_stream_that_is_cut_off_ends_incomplete(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(LONG, finish_reason="length")
    last = stream(http)[-1]
    assert (last["type"], last["response"]["incomplete_details"]) == (
        "response.incomplete",
        {"reason": "max_output_tokens"},
    )


@pytest.mark.parametrize(("asked", "said"), [(REFUSED, LONG), ("hi", LONG + REFUSED + LONG)])
def test_what_a_guard_refuses_never_leaks_into_a_stream(
    asked: str, said: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(said)
    events = stream(http, asked)
    assert REFUSED not in json.dumps(events)
    assert events[-1]["response"]["incomplete_details"] == {"reason": "content_filter"}
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"


def test_a_secret_is_cut_out_of_a_stream(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"{LONG}{REDACTED} {LONG}")
    events = stream(http)
    assert REDACTED not in json.dumps(events)
    assert text_of(events) == f"{LONG}[secret removed] {LONG}"


def test_an_engine_that_breaks_ends_a_stream_as_failed(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(LONG, cut_after=30)
    with sdk.responses.create(model="assistant", input="hi", stream=True) as streamed:
        last = list(streamed)[-1]
    assert last.type == "response.failed"
    assert last.response.error
    assert last.response.error.code == "server_error"
    assert last.response.output_text
    assert LONG.startswith(last.response.output_text)
    assert not last.response.store


def test_an_engine_that_breaks_before_it_speaks_is_a_plain_error(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(cut_after=0)
    answer = http.post("/v1/responses", json={"model": "assistant", "input": "hi", "stream": True})
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "service_unavailable")


def test_a_stream_explains_itself_at_its_end(gateway: Running, http: httpx.Client) -> None:
    last = stream(http, alignment={"explain": True})[-1]
    assert last["response"]["alignment"]["exchange"] == gateway.recorded.id


def test_the_best_of_several_is_streamed(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("a", LONG, "ab")
    assert text_of(stream(http, alignment={"n": 3})) == LONG
