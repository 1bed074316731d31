"""What a client may hear: errors in the surface's shape, and streams that are well formed and come to one clear end."""

import json
from typing import Any

from tests.gateway.fuzz.world import Answer

Json = dict[str, Any]
# What the gateway may say of an engine that fails, or of a request that it cannot take now.
HONEST = {400, 401, 403, 404, 405, 408, 409, 413, 429, 502, 503, 504}


def check(path: str, answer: Answer) -> None:
    """Assert that a whole answer is one that the surface at this path may give."""
    if answer.status != 200:
        assert answer.status in HONEST, answer
        check_error(path, json.loads(answer.body))
    elif answer.streamed:
        check_stream(path, answer.body)
    else:
        assert isinstance(json.loads(answer.body), dict)


def check_error(path: str, told: Json) -> None:
    """Assert the shape of an error."""
    error = told["error"]
    if path.startswith("/v1/messages"):
        assert told["type"] == "error"
    assert isinstance(error["message"], str)
    assert isinstance(error["type"], str)
    assert isinstance(error["param"], str | None)
    assert isinstance(error["code"], str | None)
    assert error["code"] != "internal_error"


def check_stream(path: str, body: bytes) -> None:
    """Assert that frames are well formed, and that exactly the last one ends the stream."""
    *frames, rest = body.decode().split("\n\n")
    assert rest == ""
    assert "\r" not in body.decode()
    events = [event_of(frame) for frame in frames]
    assert [ends(path, name, data) for name, data in events] == [False] * (len(events) - 1) + [True], body


def event_of(frame: str) -> tuple[str | None, Any]:
    """A frame's name and payload."""
    lines = dict(line.split(": ", 1) for line in frame.split("\n"))
    assert list(lines) in (["data"], ["event", "data"]), frame
    data = lines["data"]
    return lines.get("event"), data if data == "[DONE]" else json.loads(data)


def ends(path: str, name: str | None, data: Any) -> bool:
    """Whether nothing may come after this event."""
    if path == "/v1/messages":
        return name in ("message_stop", "error")
    if path == "/v1/responses":
        return name in ("response.completed", "response.incomplete", "response.failed", "error")
    return data == "[DONE]" or "error" in data
