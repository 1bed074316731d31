"""The way that every Python client takes through the steps of `steps.json`, and what it says of each."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Json = dict[str, Any]
STEPS = Path(__file__).with_name("steps.json")


def walk(ways: Mapping[str, Callable[[Json], Json]], lacks: Mapping[str, str]) -> None:
    """Take every step in the way of its kind; one that the client lacks is said to be skipped, and why."""
    for step in json.loads(STEPS.read_text()):
        why = lacks.get(step["name"])
        said = {"skipped": why} if why else {"told": ways[step["kind"]](step)}
        sys.stdout.write(json.dumps({"step": step["name"], **said}) + "\n")


def where() -> tuple[str, str]:
    """The gateway's address, without `/v1`, and the key."""
    _, address, key = sys.argv
    return address, key


def request_of(step: Json) -> Json:
    """The step's request as OpenAI's clients make it; its name is what the user says."""
    turns = [{"role": "user", "content": step["name"]}, *step.get("then", ())]
    return {"model": step.get("model", "assistant"), "messages": turns, **step.get("ask", {})}


def failure_of(error: Any) -> Json:
    """What an error tells beside its sentence; of some nothing is kept but the status."""
    told = {} if error.body is None else {name: getattr(error, name) for name in ("code", "param")}
    return {"status": error.status_code, **told}


class Heard:
    """A stream's choice as far as it was heard."""

    def __init__(self) -> None:
        self.said: Json = {"content": "", "reasoning": "", "finish_reason": None}
        self._calls: dict[int, list[str]] = {}

    def hear(self, choice: Any) -> None:
        """Take in one more chunk of it."""
        delta = choice.delta
        self.said["content"] += delta.content or ""
        self.said["reasoning"] += getattr(delta, "reasoning_content", None) or ""
        self.said["finish_reason"] = choice.finish_reason or self.said["finish_reason"]
        for call in delta.tool_calls or ():
            known = self._calls.setdefault(call.index, ["", "", ""])
            for place, piece in enumerate((call.id, call.function.name, call.function.arguments)):
                known[place] += piece or ""

    @property
    def whole(self) -> Json:
        """The choice in the steps' words."""
        calls = [[*head, json.loads(written)] for *head, written in self._calls.values()]
        return {**self.said, "calls": calls, "logprobs": []}


def choice_of(choice: Any) -> Json:
    """A whole choice in the steps' words."""
    said = choice.message
    return {
        "content": said.content or "",
        "reasoning": getattr(said, "reasoning_content", None) or "",
        "calls": [
            [call.id, call.function.name, json.loads(call.function.arguments)]
            for call in said.tool_calls or ()
        ],
        "finish_reason": choice.finish_reason,
        "logprobs": logprobs_of(getattr(choice, "logprobs", None)),
    }


def logprobs_of(told: Any) -> list[list[Any]]:
    """Each token with its log probability."""
    return [[each.token, each.logprob] for each in (told.content if told else None) or ()]


def usage_of(usage: Any) -> list[int] | None:
    """The tokens of prompt and completion, and both."""
    return usage and [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]


def whole_of(completion: Any) -> Json:
    """A chat completion in the steps' words."""
    return {
        "choices": [choice_of(each) for each in completion.choices],
        "usage": usage_of(completion.usage),
    }


def heard_of(chunks: Any) -> Json:
    """A stream of chunks in the steps' words."""
    heard: dict[int, Heard] = {}
    usage = None
    for chunk in chunks:
        usage = usage_of(getattr(chunk, "usage", None)) or usage
        for choice in chunk.choices:
            heard.setdefault(choice.index, Heard()).hear(choice)
    return {"choices": [each.whole for each in heard.values()], "usage": usage}


def drained_of(chunks: Any) -> Json:
    """How a stream ends that has one call, and whether that call could be made."""
    written, finish = "", None
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        written += "".join(call.function.arguments or "" for call in choice.delta.tool_calls or ())
        finish = choice.finish_reason or finish
    return {"finish_reason": finish, "whole": is_json(written)}


def is_json(written: str) -> bool:
    """Whether a call could be made with these arguments."""
    try:
        json.loads(written)
    except ValueError:
        return False
    return True


def response_asked_by(step: Json) -> Json:
    """The step's request as OpenAI's clients make it of the Responses API."""
    asked = dict(step.get("ask", {}))
    if tools := asked.pop("tools", ()):
        # By itself a function of this API would be strict, and one of a chat completion is not.
        asked["tools"] = [{"type": "function", "strict": None, **tool["function"]} for tool in tools]
    return {"model": "assistant", "input": step["name"], "store": False, **asked}


def response_of(response: Any) -> Json:
    """A response in the steps' words."""
    parts = [part for item in response.output for part in getattr(item, "content", None) or ()]
    reason = response.incomplete_details and response.incomplete_details.reason
    choice = {
        "content": "".join(part.text for part in parts if part.type == "output_text"),
        "reasoning": "".join(part.text for part in parts if part.type == "reasoning_text"),
        "calls": [
            [item.call_id, item.name, json.loads(item.arguments)]
            for item in response.output
            if item.type == "function_call"
        ],
        "finish_reason": reason or "stop",
        "logprobs": [],
    }
    usage = response.usage
    return {
        "choices": [choice],
        "usage": [usage.input_tokens, usage.output_tokens, usage.total_tokens],
    }


def response_heard_in(events: Any) -> Json:
    """The response that a stream of events ends with, which what was told piece by piece must come to."""
    pieces, last = [], None
    for last in events:
        pieces += [last.delta] if last.type == "response.output_text.delta" else []
    told = response_of(last.response)
    assert told["choices"][0]["content"] == "".join(pieces)
    return told
