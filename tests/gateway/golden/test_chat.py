"""Chat completions: what the gateway sends is what the engine sent, byte by byte, but for names that are ours."""

import httpx
import pytest

from tests.fakes.gateway import Running
from tests.gateway.golden.answers import ANSWERS, compact
from tests.gateway.golden.conftest import HI, ask


@pytest.mark.parametrize("name", ANSWERS)
def test_a_plain_answer_is_the_engines_byte_for_byte(name: str, gateway: Running, http: httpx.Client) -> None:
    told = ANSWERS[name]
    gateway.engine.says(raw=compact(told))
    answer = ask(http, messages=HI, n=len(told["choices"]))
    ours = {"id": f"chatcmpl-{gateway.recorded.id}", "model": "assistant"}
    if name == "bare":  # what the engine left out and OpenAI's clients need stands at the end
        ours["object"], ours["created"] = "chat.completion", answer.json()["created"]
        assert answer.json() == told | ours
    else:
        assert answer.content == compact(told | ours)
