"""Counting before asking: the prompt that would be read, token by token."""

from typing import Any

import aiohttp
import pytest

from gateway.engines.pocket.model import PocketModel

HI = [{"role": "user", "content": "hi"}]


async def test_a_conversation_has_the_tokens_that_an_answer_is_charged(http: aiohttp.ClientSession) -> None:
    counted = await (await http.post("/tokenize", json={"messages": HI})).json()
    asked = {"messages": HI, "max_tokens": 1}
    answer = await (await http.post("/v1/chat/completions", json=asked)).json()
    assert counted["count"] == len(counted["tokens"]) == answer["usage"]["prompt_tokens"]
    assert counted["max_model_len"] == 256


async def test_an_answer_that_was_begun_is_counted_open(
    http: aiohttp.ClientSession, model: PocketModel
) -> None:
    begun = [*HI, {"role": "assistant", "content": "Sure"}]
    asked = {"messages": begun, "continue_final_message": True, "add_generation_prompt": False}
    counted = await (await http.post("/tokenize", json=asked)).json()
    assert counted["tokens"] == list(model.render(begun, go_on=True, prompt=False))


async def test_a_text_has_its_own_tokens(http: aiohttp.ClientSession, model: PocketModel) -> None:
    counted = await (await http.post("/tokenize", json={"model": "tiny", "prompt": "flour"})).json()
    assert counted["tokens"] == list(model.encode("flour"))


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"messages": HI, "model": "nobody"}, 404),
        ({"messages": HI, "tools": [{"type": "function", "function": {"name": "f"}}]}, 400),
        ({"messages": []}, 400),
        ({}, 400),
    ],
)
async def test_what_cannot_be_counted_is_refused(
    http: aiohttp.ClientSession, asked: dict[str, Any], status: int
) -> None:
    answer = await (await http.post("/tokenize", json=asked)).json()
    assert answer["error"]["code"] == status
