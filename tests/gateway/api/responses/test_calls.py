"""Calls in streams of the Responses API: arguments flow, each to its item; what is refused is never done."""

import json
from typing import Any

import httpx
import openai

from tests.fakes.gateway import Running
from tests.fakes.guards import REDACTED, REFUSED
from tests.gateway.api.responses.test_events import EVENT, stream
from tests.gateway.api.responses.test_surface import sent
from tests.gateway.test_streamed_calls import LONG, frames, pieces

Json = dict[str, Any]
BLOCKED = json.dumps({"text": f"{LONG}the {REFUSED} {LONG}"})


def arguments_in(events: list[Json], place: int = 0) -> str:
    return "".join(
        event["delta"]
        for event in events
        if event["type"] == "response.function_call_arguments.delta" and event["output_index"] == place
    )


def done_in(events: list[Json]) -> list[str]:
    return [event["item"]["id"][:2] for event in events if event["type"] == "response.output_item.done"]


def test_the_official_client_hears_arguments_while_the_engine_still_speaks(
    gateway: Running, sdk: openai.OpenAI
) -> None:
    told = frames(*pieces(0, json.dumps({"text": LONG})), end=None)[:-1]
    gateway.engine.says(frames=told, stall_after=len(told) - 1)
    with sdk.responses.stream(model="assistant", input="hi") as streamed:
        heard = next(event for event in streamed if event.type == "response.function_call_arguments.delta")
    assert heard.delta.startswith('{"te')
    assert heard.snapshot == heard.delta


def test_the_official_client_puts_calls_made_at_once_together(gateway: Running, sdk: openai.OpenAI) -> None:
    written = [json.dumps({"text": LONG}), "", '{"b": [2]}']
    told = [each for number, one in enumerate(written) for each in pieces(number, one)]
    gateway.engine.says(frames=frames({"content": "Let me see."}, *told))
    with sdk.responses.stream(model="assistant", input="hi") as streamed:
        text, *calls = streamed.get_final_response().output
    assert text.content[0].text == "Let me see."  # type: ignore[union-attr,index]
    assert [(one.call_id, one.name, one.arguments) for one in calls] == [  # type: ignore[union-attr]
        (f"call-{number}", "send", one) for number, one in enumerate(written)
    ]


def test_calls_that_the_engine_mixes_go_each_to_its_item(gateway: Running, http: httpx.Client) -> None:
    second = list(pieces(1, json.dumps({"text": LONG})))
    told = (*second[:-1], *pieces(0, '{"a": 1}'), second[-1])
    gateway.engine.says(frames=frames(*told), between_chunks=0.001)
    events = stream(http)
    assert [json.loads(arguments_in(events, place)) for place in (0, 1)] == [{"text": LONG}, {"a": 1}]
    output = events[-1]["response"]["output"]
    assert [item["call_id"] for item in output] == ["call-1", "call-0"]
    assert [item["arguments"] for item in output] == [arguments_in(events, place) for place in (0, 1)]


def test_a_name_that_is_null_later_is_still_the_name(gateway: Running, http: httpx.Client) -> None:
    told = list(pieces(0, '{"a": 1}'))
    for piece in told[1:]:
        piece["tool_calls"][0]["function"]["name"] = None
    gateway.engine.says(frames=frames(*told), between_chunks=0.001)
    [call] = stream(http)[-1]["response"]["output"]
    assert (call["name"], call["call_id"], call["arguments"]) == ("send", "call-0", '{"a": 1}')


def test_the_output_has_its_items_where_the_events_said(gateway: Running, http: httpx.Client) -> None:
    told = (*pieces(0, json.dumps({"text": LONG})), {"content": LONG})
    gateway.engine.says(frames=frames(*told), between_chunks=0.001)
    events = stream(http)
    added = [event["item"]["id"] for event in events if event["type"] == "response.output_item.added"]
    assert [name[:2] for name in added] == ["fc", "ms"]
    assert [item["id"] for item in events[-1]["response"]["output"]] == added


def test_a_refused_word_in_arguments_leaves_the_call_undone(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(frames=frames({"content": "Let me see."}, *pieces(0, BLOCKED)), between_chunks=0.001)
    events = stream(http)
    for event in events:
        EVENT.validate_python(event, strict=True)
    assert done_in(events) == ["ms"]
    assert "response.function_call_arguments.done" not in [event["type"] for event in events]
    assert REFUSED[:3] not in json.dumps(events)
    last = events[-1]["response"]
    assert (events[-1]["type"], last["incomplete_details"]) == (
        "response.incomplete",
        {"reason": "content_filter"},
    )
    assert (last["output"][1]["status"], last["output"][1]["arguments"]) == (
        "incomplete",
        arguments_in(events, 1),
    )
    assert gateway.recorded.flagged


def test_a_refusal_in_one_call_leaves_those_before_it_undone(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(frames=frames(*pieces(0, '{"a": 1}'), *pieces(1, BLOCKED)), between_chunks=0.001)
    events = stream(http)
    assert done_in(events) == []
    assert {item["status"] for item in events[-1]["response"]["output"]} == {"incomplete"}


def test_a_call_that_was_never_made_is_not_gone_on_from(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(frames=frames(*pieces(0, BLOCKED)), between_chunks=0.001)
    with sdk.responses.create(model="assistant", input="hi", stream=True) as streamed:
        first = list(streamed)[-1].response  # type: ignore[union-attr]
    gateway.engine.says("Fine.")
    sdk.responses.create(model="assistant", input="go on", previous_response_id=first.id)
    assert sent(gateway) == [{"role": "user", "content": "hi"}, {"role": "user", "content": "go on"}]


def test_what_can_be_cut_out_of_arguments_is(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(frames=frames(*pieces(0, json.dumps({"text": f"{LONG}{REDACTED} {LONG}"}))))
    assert json.loads(arguments_in(stream(http))) == {"text": f"{LONG}[secret removed] {LONG}"}


def test_an_engine_that_breaks_in_the_middle_of_a_call_says_how_far_it_came(
    gateway: Running, http: httpx.Client
) -> None:
    told = frames(*pieces(0, json.dumps({"text": LONG})))
    gateway.engine.says(frames=told, cut_after=len(told) - 3)
    events = stream(http)
    assert (events[-1]["type"], done_in(events)) == ("response.failed", [])
    [item] = events[-1]["response"]["output"]
    assert (item["status"], item["arguments"]) == ("incomplete", arguments_in(events))
