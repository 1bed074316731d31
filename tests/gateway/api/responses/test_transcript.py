"""Items and messages: each way, and by what name a client knows a part."""

from typing import Any

import pytest

from gateway.api.responses.items import input_of, named, response_of_item
from gateway.api.responses.transcript import Transcript

IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"}
FILE = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}
TEXT = {"type": "input_text", "text": "What is this?"}


def heard(*items: dict[str, Any]) -> Transcript:
    transcript = Transcript()
    for number, item in enumerate(items):
        transcript.hear(item, f"input.{number}")
    return transcript


def call(name: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": name, "name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (IMAGE, {"type": "image_url", "image_url": {"url": IMAGE["image_url"], "detail": "low"}}),
        (FILE, {"type": "file", "file": {name: FILE[name] for name in ("filename", "file_data")}}),
    ],
)
def test_what_is_no_text_is_passed_on_as_a_chat_has_it(
    part: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert heard({"role": "user", "content": [TEXT, part]}).messages[0]["content"][1] == expected


@pytest.mark.parametrize("part", [TEXT, IMAGE, FILE, {"type": "song", "song": "la"}])
def test_content_comes_back_as_it_was(part: dict[str, Any]) -> None:
    (item,) = input_of(heard({"role": "user", "content": [part]}).messages)
    assert item["content"] == [part]


@pytest.mark.parametrize("part", [{"type": "image_url", "image_url": "x"}, {"type": "file", "file": "x"}])
def test_a_chats_own_part_that_is_odd_is_kept_as_it_is(part: dict[str, Any]) -> None:
    (item,) = input_of([{"role": "user", "content": [part]}])
    assert item["content"] == [part]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("messages", "input"),
        ("messages.0.content.1.image_url.url", "input.0.content.1.image_url.url"),
        ("messages.1.content", "input.1.content"),
        ("messages.1.tool_calls.0.function.arguments", "input.2.arguments"),
        ("messages.1.tool_calls.1.function.name", "input.3.name"),
        ("messages.2.content", "input.4.output"),
        ("messages.2.tool_call_id", "input.4.call_id"),
        ("temperature", "temperature"),
        (None, None),
    ],
)
def test_a_message_is_known_by_its_items_names(ours: str | None, theirs: str | None) -> None:
    transcript = heard(
        {"role": "user", "content": [TEXT, IMAGE]},
        {"role": "assistant", "content": "Let me see."},
        call("c1"),
        call("c2"),
        {"type": "function_call_output", "call_id": "c1", "output": "x"},
    )
    assert transcript.field(ours) == theirs


def test_what_was_said_in_another_request_is_not_gone_on_with() -> None:
    transcript = heard(call("c1"))
    transcript.turn_over()
    transcript.hear(call("c2"), "input.0")
    assert [len(message["tool_calls"]) for message in transcript.messages] == [1, 1]


def test_a_thought_goes_on_with_one_message_and_no_more() -> None:
    thought = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}]}
    said = [{"role": "assistant", "content": "Yes."}, {"role": "assistant", "content": "And no."}]
    first, second = heard(thought, *said).messages
    assert (first["reasoning"], first["content"], second["content"]) == ("Hm.", "Yes.", "And no.")


def test_an_items_id_leads_to_its_response() -> None:
    (first, second) = named([call("c1"), call("c2")], "0a1b", "in")
    assert (first["id"], second["id"]) == ("fc_0a1b_in0", "fc_0a1b_in1")
    assert response_of_item(second["id"]) == "resp_0a1b"


@pytest.mark.parametrize("item_id", ["", "msg_", "somebody-elses", "a_b_c_d"])
def test_an_id_that_is_none_of_ours_leads_nowhere(item_id: str) -> None:
    assert response_of_item(item_id) is None
