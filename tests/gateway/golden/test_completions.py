"""Legacy completions: what the gateway sends is what the engine sent, byte by byte, but for names that are ours."""

import httpx

from tests.fakes.gateway import Running
from tests.gateway.golden.answers import LONG, PROMPT_LOGPROBS, USAGE, compact
from tests.gateway.golden.conftest import ask


def test_a_completion_is_the_engines_byte_for_byte(gateway: Running, http: httpx.Client) -> None:
    logprobs = {
        "text_offset": [0],
        "token_logprobs": [-0.5],
        "tokens": ["x"],
        "top_logprobs": [{"x": -0.5, "y": -2.25}],
    }
    told = {
        "id": "cmpl-of-the-engine",
        "object": "text_completion",
        "created": 1767225600,
        "model": "base",
        "choices": [
            {
                "index": 0,
                "text": LONG,
                "logprobs": logprobs,
                "finish_reason": "length",
                "stop_reason": None,
                "token_ids": None,
                "prompt_logprobs": PROMPT_LOGPROBS,
                "prompt_token_ids": [31],
            }
        ],
        "service_tier": None,
        "system_fingerprint": None,
        "usage": USAGE,
        "kv_transfer_params": None,
    }
    gateway.engine.says(raw=compact(told))
    answer = ask(http, "completions", prompt="Once")
    assert answer.content == compact(told | {"id": f"cmpl-{gateway.recorded.id}", "model": "assistant"})
