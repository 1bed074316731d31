"""Whole answers of an engine with vLLM's shape: every optional field, in vLLM's order."""

import json
from typing import Any

LONG = "The quick brown fox jumps over the lazy dog, Grüße an 世界, and then it does so again. "
Json = dict[str, Any]


def compact(value: Any) -> bytes:
    """JSON as vLLM writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def token(text: str) -> Json:
    alike = {"token": text.upper(), "logprob": -2.25, "bytes": list(text.upper().encode())}
    return {"token": text, "logprob": -0.5, "bytes": list(text.encode()), "top_logprobs": [alike]}


def tool_call(position: int, arguments: str) -> Json:
    function = {"name": f"look_up_{position}", "arguments": arguments}
    return {"id": f"chatcmpl-tool-{position}", "type": "function", "function": function}


def message(**said: Any) -> Json:
    empty = {"refusal": None, "annotations": None, "audio": None, "function_call": None, "tool_calls": []}
    return {"role": "assistant", "content": None, **empty, "reasoning": None} | said


def choice(said: Json, index: int = 0, **told: Any) -> Json:
    rest = {"logprobs": None, "finish_reason": "stop", "stop_reason": None, "token_ids": None}
    return {"index": index, "message": said, **rest, "routed_experts": None} | told


USAGE = {
    "prompt_tokens": 7,
    "total_tokens": 12,
    "completion_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": None},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
PROMPT_LOGPROBS = [None, {"31": {"logprob": -1.5, "rank": 1, "decoded_token": "hi"}}]
CALLS = [tool_call(0, '{"where": "Paris"}'), tool_call(1, '{"where": "世界", "when": [1, 2.5, null]}')]


def completion(*choices: Json, **told: Any) -> Json:
    return {
        "id": "chatcmpl-of-the-engine",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "base",
        "choices": list(choices),
        "service_tier": None,
        "system_fingerprint": "vllm-0.32.0-tp1",
        "usage": {**USAGE, "prompt_tokens_details": None},
        "prompt_logprobs": None,
        "prompt_token_ids": None,
        "prompt_text": None,
        "kv_transfer_params": None,
    } | told


ANSWERS = {
    "plain": completion(choice(message(content=LONG))),
    "bare": {"choices": [choice(message(content="x"))], "usage": USAGE},
    "several": completion(
        choice(message(content="a")), choice(message(content="b"), 1, finish_reason="length")
    ),
    "logprobs": completion(
        choice(message(content="ab"), logprobs={"content": [token("a"), token("b")], "refusal": None})
    ),
    "calls": completion(choice(message(tool_calls=CALLS), finish_reason="tool_calls")),
    "reasoning": completion(choice(message(content="4", reasoning="2 and 2 make 4"))),
    "refusal": completion(choice(message(refusal="I would rather not."))),
    "legacy call": completion(choice(message(function_call={"name": "f", "arguments": "{}"}))),
    "stopped": completion(choice(message(content="x"), stop_reason="###")),
    "ids": completion(choice(message(content="x"), token_ids=[5, 2]), prompt_token_ids=[1, 31]),
    "prompt": completion(choice(message(content="x")), prompt_logprobs=PROMPT_LOGPROBS),
    "usage": completion(choice(message(content="x")), usage=USAGE, service_tier="default"),
    "tomorrow": completion(
        choice(message(content="x", confidence=0.5), spread={"low": 1, "high": [2.5, None]}),
        metrics={"queued_seconds": 0.25, "steps": [1, 2]},
        cached=True,
    ),
}
