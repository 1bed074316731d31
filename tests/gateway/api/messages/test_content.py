"""Calls of tools in streams of the Messages API: their arguments flow, and one block is open at a time."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.messages.content import Content
from gateway.api.messages.events import LEGACY
from tests.fakes.gateway import Running
from tests.fakes.guards import REDACTED, REFUSED
from tests.gateway.api.messages.test_events import ASK, events_of, final
from tests.gateway.test_streamed_calls import LONG, call, frames, pieces

Json = dict[str, Any]
BLOCKED = frames(*pieces(0, json.dumps({"text": f"{LONG}the {REFUSED} {LONG}"})))


def outline(events: list[Json]) -> list[str]:
    """Which block is begun, filled and ended, each run of pieces once."""
    told = [
        f"{event['type'].removeprefix('content_block_')} {event['index']}"
        for event in events
        if event["type"].startswith("content_block")
    ]
    return [each for each, last in zip(told, ["", *told], strict=False) if each != last]


def arguments_in(events: list[Json], index: int = 0) -> str:
    return "".join(
        event["delta"]["partial_json"]
        for event in events
        if event["type"] == "content_block_delta" and event["index"] == index
    )


def test_the_official_client_hears_arguments_while_the_engine_still_speaks(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    told = frames(*pieces(0, json.dumps({"text": LONG})), end=None)[:-1]
    gateway.engine.says(frames=told, stall_after=len(told) - 1)
    with client.messages.stream(**ASK) as stream:
        heard = next(event for event in stream if event.type == "input_json")
        block = stream.current_message_snapshot.content[0]
    assert heard.partial_json.startswith('{"te')
    assert (block.type, block.id, block.name) == ("tool_use", "call-0", "send")


def test_the_official_client_puts_calls_made_at_once_together(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    inputs: list[Json] = [{"text": LONG}, {}, {"list": [1, {"2": None}]}]
    told = [each for number, one in enumerate(inputs) for each in pieces(number, json.dumps(one))]
    gateway.engine.says(frames=frames({"content": "Let me see."}, *told))
    text, *calls = final(client).content
    assert text.text == "Let me see."
    assert [(one.id, one.input) for one in calls] == [
        (f"call-{number}", one) for number, one in enumerate(inputs)
    ]


def test_a_block_ends_before_the_next_begins(gateway: Running, http: httpx.Client) -> None:
    said = ({"reasoning": LONG}, {"content": LONG}, *pieces(0, '{"a": 1}'), *pieces(1, '{"b": 2}'))
    gateway.engine.says(frames=frames(*said))
    assert outline(events_of(http)) == [
        f"{event} {index}" for index in range(4) for event in ("start", "delta", "stop")
    ]


def test_a_call_that_the_engine_says_in_between_waits_for_the_end_of_the_first(
    gateway: Running, http: httpx.Client
) -> None:
    second = list(pieces(1, json.dumps({"text": LONG})))
    told = (*second[:-1], *pieces(0, '{"a": 1}'), second[-1])
    gateway.engine.says(frames=frames(*told), between_chunks=0.001)
    events = events_of(http)
    assert outline(events) == ["start 0", "delta 0", "stop 0", "start 1", "delta 1", "stop 1"]
    assert [json.loads(arguments_in(events, index)) for index in (0, 1)] == [{"text": LONG}, {"a": 1}]


def test_text_after_a_call_is_a_block_of_its_own(gateway: Running, client: anthropic.Anthropic) -> None:
    called = pieces(0, json.dumps({"text": LONG}))
    gateway.engine.says(
        frames=frames({"content": "Before."}, *called, {"content": LONG}), between_chunks=0.001
    )
    kinds = [(block.type, getattr(block, "text", "")) for block in final(client).content]
    assert kinds == [("text", "Before."), ("tool_use", ""), ("text", LONG)]


def test_a_refused_word_in_arguments_ends_the_message_and_not_the_call(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(frames=BLOCKED, between_chunks=0.001)
    events = events_of(http)
    assert outline(events) == ["start 0", "delta 0"]
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    assert events[-2]["delta"]["stop_reason"] == "refusal"
    assert arguments_in(events).startswith('{"text": "one harmless')
    assert REFUSED[:3] not in json.dumps(events)
    assert gateway.recorded.flagged


def test_the_official_client_reads_a_message_that_was_refused_in_a_call(
    gateway: Running, client: anthropic.Anthropic
) -> None:
    gateway.engine.says(frames=BLOCKED, between_chunks=0.001)
    with client.messages.stream(**ASK) as stream:
        ended = [event for event in stream if event.type == "content_block_stop"]
    assert (stream.get_final_message().stop_reason, ended) == ("refusal", [])


def test_what_can_be_cut_out_of_arguments_is(gateway: Running, client: anthropic.Anthropic) -> None:
    gateway.engine.says(frames=frames(*pieces(0, json.dumps({"text": f"{LONG}{REDACTED} {LONG}"}))))
    assert final(client).content[0].input == {"text": f"{LONG}[secret removed] {LONG}"}


def test_an_object_that_was_cut_short_comes_as_it_was_written(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(frames=frames(*pieces(0, '{"city": "Be'), end="length"))
    events = events_of(http)
    assert arguments_in(events) == '{"city": "Be'
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"


def test_an_engine_that_breaks_in_the_middle_of_a_call_ends_neither_it_nor_the_message(
    gateway: Running, http: httpx.Client
) -> None:
    told = frames(*pieces(0, json.dumps({"text": LONG})))
    gateway.engine.says(frames=told, cut_after=len(told) - 3)
    events = events_of(http)
    assert outline(events) == ["start 0", "delta 0"]
    assert events[-1]["type"] == "error"


TEXTS = st.tuples(st.sampled_from(["text", "thinking"]), st.text("ab", min_size=1, max_size=3))
CALLS = st.tuples(st.integers(0, 2), st.text("ab{", min_size=1, max_size=3))


def said_to(content: Content, told: list[tuple[str | int, str]]) -> Iterator[Json]:
    """The events of texts and calls as the guards release them: none goes on once a later one has begun."""
    last = -1
    for key, text in told:
        if isinstance(key, str):
            yield from content.say(key, text)
        elif key >= last:
            last = key
            yield from content.call(call(key, text, "send", id=f"call-{key}"))
    yield from content.end()


@given(st.lists(TEXTS | CALLS, max_size=12))
def test_one_block_is_open_at_a_time_whatever_comes(told: list[tuple[str | int, str]]) -> None:
    open_now: list[int] = []
    begun = 0
    for event in said_to(Content("id"), told):
        if event["type"] == "content_block_start":
            assert (open_now, event["index"]) == ([], begun)
            open_now, begun = [begun], begun + 1
        else:
            assert event["index"] in open_now
        if event["type"] == "content_block_stop":
            open_now.clear()
    assert open_now == []


@given(st.lists(TEXTS, max_size=12))
def test_no_text_is_lost(told: list[tuple[str | int, str]]) -> None:
    heard = [event.get("delta", {}).get("text", "") for event in said_to(Content("id"), told)]
    assert "".join(heard) == "".join(text for kind, text in told if kind == "text")


def test_the_old_function_call_is_none_of_the_other_calls() -> None:
    content = Content("x")
    calls = [(0, "{}"), (2, '{"b": 1}'), (LEGACY, '{"c": 1}')]
    events = [
        event
        for index, arguments in calls
        for event in content.call({"index": index, "function": {"name": "f", "arguments": arguments}})
    ]
    events += content.end()
    assert [arguments_in(events, block) for block in range(3)] == [said for _, said in calls]
