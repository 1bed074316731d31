"""The steps by Anthropic's own client for Python, through /v1/messages: OpenAI's words said in Anthropic's."""

import json
from functools import cache
from typing import Any

import anthropic
from walk import Json, request_of, walk, where

address, own = where()
STOPS = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}
SAME = ("model", "max_tokens")
WORDS = {"required": "any"}


@cache
def client(key: str = own) -> anthropic.Anthropic:
    """One for all steps, but for a stranger's."""
    return anthropic.Anthropic(base_url=address, api_key=key, max_retries=0, timeout=30)


def asked_by(step: Json) -> Json:
    asked = request_of(step)
    told: Json = {"max_tokens": 99, "messages": turns_of(asked["messages"])}
    told |= {name: asked[name] for name in SAME if name in asked}
    if "tools" in asked:
        told["tools"] = [tool_of(each["function"]) for each in asked["tools"]]
    if "tool_choice" in asked:
        told["tool_choice"] = {"type": WORDS.get(asked["tool_choice"], asked["tool_choice"])}
        if asked.get("parallel_tool_calls") is False:
            told["tool_choice"]["disable_parallel_tool_use"] = True
    if "stop" in asked:
        told["stop_sequences"] = asked["stop"]
    if "n" in asked:
        told["extra_body"] = {"n": asked["n"]}
    if "response_format" in asked:
        schema = asked["response_format"]["json_schema"]["schema"]
        told["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return told


def tool_of(function: Json) -> Json:
    rest = {name: value for name, value in function.items() if name != "parameters"}
    return {**rest, "input_schema": function["parameters"]}


def turns_of(messages: list[Json]) -> list[Json]:
    """Results of tools, which stand together, are a user's turn."""
    turns: list[Json] = []
    results: list[Json] = []
    for each in messages:
        if each["role"] == "tool":
            results.append(
                {"type": "tool_result", "tool_use_id": each["tool_call_id"], "content": each["content"]}
            )
        elif each["role"] == "assistant":
            turns.append(
                {"role": "assistant", "content": [{"type": "text", "text": each["content"]}, *uses_of(each)]}
            )
        else:
            turns.append(each)
    return [*turns, {"role": "user", "content": results}] if results else turns


def uses_of(message: Json) -> list[Json]:
    return [
        {
            "type": "tool_use",
            "id": call["id"],
            "name": call["function"]["name"],
            "input": json.loads(call["function"]["arguments"]),
        }
        for call in message["tool_calls"]
    ]


def told_in(message: Any) -> Json:
    def of(kind: str) -> list[Any]:
        return [block for block in message.content if block.type == kind]

    choice = {
        "content": "".join(block.text for block in of("text")),
        "reasoning": "".join(block.thinking for block in of("thinking")),
        "calls": [[block.id, block.name, block.input] for block in of("tool_use")],
        "finish_reason": STOPS[message.stop_reason],
    }
    spent = message.usage.input_tokens, message.usage.output_tokens
    return {"choices": [choice], "usage": [*spent, sum(spent)]}


def chat(step: Json) -> Json:
    return told_in(client(step.get("key", own)).messages.create(**asked_by(step)))


def stream(step: Json) -> Json:
    with client().messages.stream(**asked_by(step)) as heard:
        return told_in(heard.get_final_message())


def drain(step: Json) -> Json:
    """A call that may be made is one whose block has ended."""
    with client().messages.stream(**asked_by(step)) as heard:
        ended = [event.content_block.type for event in heard if event.type == "content_block_stop"]
        finish = STOPS[heard.get_final_message().stop_reason]
    return {"finish_reason": finish, "whole": "tool_use" in ended}


def failure(step: Json) -> Json:
    try:
        return {"heard": stream(step) if step.get("stream") else chat(step)}
    except anthropic.APIStatusError as error:
        if step.get("stream"):
            return {}
        told = error.body["error"]
        return {"status": error.status_code, "code": told["code"], "param": told["param"]}


def models(step: Json) -> Json:
    return {"models": [each.id for each in client().models.list()]}


def count(step: Json) -> Json:
    asked = asked_by(step)
    asked.pop("max_tokens")
    return {"tokens": client().messages.count_tokens(**asked).input_tokens}


RESPONSES = "the Responses API is OpenAI's"

walk(
    {"chat": chat, "stream": stream, "drain": drain, "failure": failure, "models": models, "count": count},
    {
        "log probabilities": "Anthropic's messages have none",
        "two choices": "a message is one answer",
        "seed": "Anthropic's messages have none",
        "a response": RESPONSES,
        "a response that calls, streamed": RESPONSES,
        "a response blocked in the middle": RESPONSES,
        "a response after a block": RESPONSES,
        "vectors": "Anthropic has none",
    },
)
