"""Texts that go on, through the official SDK and plain HTTP."""

import asyncio
from typing import Any

import aiohttp
import openai
import pytest

from gateway.engines.pocket.model import PocketModel

ASK: Any = {"model": "tiny", "prompt": "Sure! First you", "max_tokens": 12}


async def whole(client: openai.AsyncOpenAI, **asked: Any) -> list[str]:
    return [choice.text for choice in (await client.completions.create(**(ASK | asked))).choices]


async def streamed(client: openai.AsyncOpenAI, **asked: Any) -> list[Any]:
    return [chunk async for chunk in await client.completions.create(**(ASK | asked), stream=True)]


def texts(chunks: list[Any], n: int = 1) -> list[str]:
    said = [""] * n
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        said[choice.index] += choice.text
    return said


async def test_an_answer_says_what_it_used(client: openai.AsyncOpenAI, model: PocketModel) -> None:
    answer = await client.completions.create(**ASK, n=2, extra_body={"ignore_eos": True})
    assert (answer.object, answer.id[:5]) == ("text_completion", "cmpl-")
    assert {choice.finish_reason for choice in answer.choices} == {"length"}
    assert answer.usage is not None
    spent = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert spent == (len(model.encode(ASK["prompt"])), 2 * 12)


async def test_a_text_goes_on_as_its_own_conversation_would(
    client: openai.AsyncOpenAI, model: PocketModel
) -> None:
    messages: Any = [{"role": "user", "content": "How do I do it?"}]
    chat = await client.chat.completions.create(model="tiny", messages=messages, max_tokens=12, temperature=0)
    prompt = list(model.render(messages))
    assert await whole(client, prompt=prompt, temperature=0) == [chat.choices[0].message.content]


async def test_several_texts_go_on_each_as_it_does_alone(client: openai.AsyncOpenAI) -> None:
    asked = {"n": 2, "seed": 3}
    alone = [await whole(client, **asked, prompt=prompt) for prompt in ("Sure!", "flour")]
    assert await whole(client, **asked, prompt=["Sure!", "flour"]) == [*alone[0], *alone[1]]


@pytest.mark.parametrize("prompt", ["Sure!", ["Sure!", "flour"], [5, 6], [[5, 6], [7]]])
async def test_a_stream_says_what_the_whole_says(client: openai.AsyncOpenAI, prompt: Any) -> None:
    asked = {"prompt": prompt, "n": 2, "seed": 2, "max_tokens": 30}
    said = await whole(client, **asked)
    assert texts(await streamed(client, **asked), len(said)) == said


async def test_a_stream_ends_with_reasons_and_usage(client: openai.AsyncOpenAI) -> None:
    chunks = await streamed(
        client, n=2, stream_options={"include_usage": True}, extra_body={"ignore_eos": True}
    )
    ends = [choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason == "length"]
    assert sorted(ends) == [0, 1]
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 24)


@pytest.mark.parametrize("stream", [True, False])
async def test_log_probabilities_come_with_every_token(client: openai.AsyncOpenAI, *, stream: bool) -> None:
    asked = {"logprobs": 2, "temperature": 0, "extra_body": {"ignore_eos": True}}
    if stream:
        choices = [choice for chunk in await streamed(client, **asked) for choice in chunk.choices]
    else:
        choices = list((await client.completions.create(**ASK, **asked)).choices)
    told = [choice.logprobs for choice in choices if choice.logprobs]
    tokens = [token for each in told for token in each.tokens]
    offsets = [offset for each in told for offset in each.text_offset]
    assert len(tokens) == len([one for each in told for one in each.token_logprobs]) == 12
    assert offsets == [len("".join(tokens[:place])) for place in range(12)]
    assert all(max(top.values()) <= 0 and len(top) == 2 for each in told for top in each.top_logprobs)


async def test_an_answer_of_which_nobody_said_how_long_is_short(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.create(model="tiny", prompt="flour", extra_body={"ignore_eos": True})
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 16


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ({"model": "nobody"}, 404, "model"),
        ({"prompt": None}, 400, "prompt"),
        ({"prompt": []}, 400, "prompt"),
        ({"prompt": [[]]}, 400, "prompt"),
        ({"prompt": [5, 10**9]}, 400, "prompt"),
        ({"prompt": [-1]}, 400, "prompt"),
        ({"prompt": "flour " * 500}, 400, "input_tokens"),
        ({"prompt": "\ud800"}, 400, "prompt"),
        ({"max_tokens": 1000}, 400, "input_tokens"),
        ({"logprobs": 21}, 400, "logprobs"),
        ({"echo": True}, 400, "echo"),
        ({"suffix": "!"}, 400, "suffix"),
        ({"best_of": 3}, 400, "best_of"),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_field(
    http: aiohttp.ClientSession, asked: dict[str, Any], status: int, field: str
) -> None:
    answer = await http.post("/v1/completions", json=ASK | asked)
    assert (answer.status, (await answer.json())["error"]["param"]) == (status, field)


async def test_a_client_who_leaves_frees_the_rows_of_all_its_texts(http: aiohttp.ClientSession) -> None:
    endless = ASK | {"prompt": ["a", "b"], "n": 2, "max_tokens": 200, "stream": True, "ignore_eos": True}
    answer = await http.post("/v1/completions", json=endless)
    assert await running(http)
    answer.close()
    while await running(http):
        await asyncio.sleep(0.001)


async def running(http: aiohttp.ClientSession) -> float:
    text = await (await http.get("/metrics")).text()
    return float(
        next(line.split()[-1] for line in text.splitlines() if line.startswith("vllm:num_requests_running{"))
    )
