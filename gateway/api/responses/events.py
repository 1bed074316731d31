"""The stream of a response: OpenAI's events, numbered, made from chat completion chunks.

It begins with the first text: what fails before that is answered with an honest status instead of a stream. Text and
the arguments of calls are passed on as they come, each to its item. Whether the answer is refused is known when the
choice ends, so items are closed only there, in their order; the calls of a refused answer are never closed.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import orjson

from gateway.api.calls import Calls
from gateway.api.responses.items import PART_OF_FIELD, call_item, item_id, output_part
from gateway.api.responses.said import Answer
from gateway.errors import ApiError
from gateway.sse import event_frame

Json = dict[str, Any]

ITEM_OF_PART = {"reasoning_text": "reasoning", "output_text": "message", "refusal": "message"}
SAME = {"reasoning": "reasoning_content", "reasoning_content": "reasoning"}  # some engines say both


class Events:
    """One response on its way out."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._number = 0
        self._texts: dict[str, list[str]] = {}  # by the message's fields
        self._calls = Calls()
        self._legacy_call: Json = {}
        self._logprobs: list[Json] = []
        self._places: dict[str, int] = {}  # where in the output an item stands
        self._parts: dict[str, list[str]] = {}  # the kinds of parts that an item has by now

    def feed(self, chunk: Json) -> bytes:
        """The events that a chunk becomes."""
        return b"".join(self._frame(event) for event in self._events(chunk))

    def end(self) -> bytes:
        """The response as a whole, which tells that all has been said."""
        response = self._answer.complete
        return self._frame({"type": f"response.{response['status']}", "response": response})

    def fail(self, error: ApiError) -> bytes:
        """The response as far as it came; a bare error where it had not begun."""
        if self._number:
            failed = self._answer.failed(self._message(), error)
            return self._frame({"type": "response.failed", "response": failed})
        told = {"code": error.code, "message": error.message, "param": error.param}
        return self._frame({"type": "error", **told})

    def _frame(self, event: Json) -> bytes:
        numbered = {**event, "sequence_number": self._number}
        self._number += 1
        return event_frame(event["type"], orjson.dumps(numbered))

    def _events(self, chunk: Json) -> Iterator[Json]:
        if not self._number:
            begun = self._answer.begun()
            yield {"type": "response.created", "response": begun}
            yield {"type": "response.in_progress", "response": begun}
        for choice in chunk["choices"]:
            logprobs = (choice.get("logprobs") or {}).get("content") or []
            for name, said in choice["delta"].items():
                if name in PART_OF_FIELD:
                    yield from self._say(name, said, logprobs if name == "content" else [])
                elif name == "tool_calls":
                    yield from chain.from_iterable(map(self._call, said or ()))
                elif name == "function_call" and said:
                    self._legacy_call = {name: said}
            if choice["finish_reason"]:
                yield from self._finish(choice["finish_reason"], chunk)

    def _say(self, field: str, text: str, logprobs: list[Json]) -> Iterator[Json]:
        self._logprobs += logprobs
        if not text or SAME.get(field) in self._texts:
            return
        self._texts.setdefault(field, []).append(text)
        kind = PART_OF_FIELD[field]
        item = item_id(ITEM_OF_PART[kind], self._answer.exchange_id, 0)
        yield from self._open(beginning(item, ITEM_OF_PART[kind]))
        yield from self._open_part(item, output_part(kind))
        yield self._about_part(f"{event_of(kind)}.delta", item, kind, delta=text, **_beside(kind, logprobs))

    def _call(self, piece: Json) -> Iterator[Json]:
        number = self._calls.hear(piece)
        item = item_id("function_call", self._answer.exchange_id, number)
        if item not in self._places:
            begun = call_item(self._calls.whole()[number])
            yield from self._open({"id": item, **begun, "arguments": "", "status": "in_progress"})
        if arguments := (piece.get("function") or {}).get("arguments"):
            yield self._about_arguments("delta", item, delta=arguments)

    def _open(self, item: Json) -> Iterator[Json]:
        if item["id"] not in self._places:
            self._places[item["id"]] = len(self._places)
            yield self._about_item("response.output_item.added", item)

    def _open_part(self, item: str, part: Json) -> Iterator[Json]:
        known = self._parts.setdefault(item, [])
        if part["type"] not in known:
            known.append(part["type"])
            yield self._about_part("response.content_part.added", item, part["type"], part=part)

    def _finish(self, reason: str, chunk: Json) -> Iterator[Json]:
        refused = reason == "content_filter"
        choice = {
            "message": self._message(),
            "finish_reason": reason,
            "logprobs": {"content": self._logprobs},
        }
        output = self._answer.conclude(choice, chunk)["output"]
        output.sort(key=lambda item: self._places.get(item["id"], len(self._places)))
        for item in output:
            if item["type"] != "function_call":
                yield from self._close(item)
            elif refused:
                item["status"] = "incomplete"
                continue
            else:
                yield from self._close_call(item)
            yield self._about_item("response.output_item.done", item)

    def _message(self) -> Json:
        """What has been said."""
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        calls = self._calls.whole()
        return texts | self._legacy_call | ({"tool_calls": calls} if calls else {})

    def _close(self, item: Json) -> Iterator[Json]:
        yield from self._open(beginning(item["id"], item["type"]))
        for part in item["content"]:
            kind = part["type"]
            yield from self._open_part(item["id"], output_part(kind))
            said = {name: part[name] for name in ("text", "refusal", "logprobs") if name in part}
            yield self._about_part(f"{event_of(kind)}.done", item["id"], kind, **said)
            yield self._about_part("response.content_part.done", item["id"], kind, part=part)

    def _close_call(self, call: Json) -> Iterator[Json]:
        item, arguments = call["id"], call["arguments"]
        if item not in self._places:  # OpenAI's old function call, which comes whole
            yield from self._open({**call, "arguments": "", "status": "in_progress"})
            yield self._about_arguments("delta", item, delta=arguments)
        yield self._about_arguments("done", item, name=call["name"], arguments=arguments)

    def _about_arguments(self, event: str, item: str, **said: Any) -> Json:
        place = {"item_id": item, "output_index": self._places[item]}
        return {"type": f"response.function_call_arguments.{event}", **place, **said}

    def _about_item(self, event: str, item: Json) -> Json:
        return {"type": event, "output_index": self._places[item["id"]], "item": item}

    def _about_part(self, event: str, item: str, kind: str, **said: Any) -> Json:
        place = {"output_index": self._places[item], "content_index": self._parts[item].index(kind)}
        return {"type": event, "item_id": item, **place, **said}


def beginning(name: str, kind: str) -> Json:
    """An item that has said nothing yet."""
    own: Mapping[str, Any] = {"role": "assistant"} if kind == "message" else {"summary": []}
    return {"id": name, "type": kind, **own, "content": [], "status": "in_progress"}


def event_of(kind: str) -> str:
    """What events about a part of this kind begin with."""
    return f"response.{kind}"


def _beside(kind: str, logprobs: list[Json]) -> Json:
    return {"logprobs": logprobs} if kind == "output_text" else {}
