"""Real clients against a real server: the official SDK, and plain HTTP."""

import asyncio
import json
from typing import Any

import aiohttp
import openai
import pytest

from gateway.engines.pocket.model import PocketModel
from tests.fakes.decoding import generate

HELLO: Any = [{"role": "user", "content": "How do I do it?"}]
ASK: Any = {"model": "tiny", "messages": HELLO, "max_tokens": 12}


async def whole(client: openai.AsyncOpenAI, **asked: Any) -> list[str]:
    answer = await client.chat.completions.create(**(ASK | asked))
    return [choice.message.content for choice in answer.choices]


async def streamed(client: openai.AsyncOpenAI, **asked: Any) -> list[Any]:
    return [chunk async for chunk in await client.chat.completions.create(**(ASK | asked), stream=True)]


def texts(chunks: list[Any], n: int = 1) -> list[str]:
    said = [""] * n
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        said[choice.index] += choice.delta.content or ""
    return said


async def running(http: aiohttp.ClientSession) -> float:
    text = await (await http.get("/metrics")).text()
    return float(
        next(line.split()[-1] for line in text.splitlines() if line.startswith("vllm:num_requests_running{"))
    )


async def test_an_answer_says_what_it_used(client: openai.AsyncOpenAI, model: PocketModel) -> None:
    answer = await client.chat.completions.create(**ASK, n=3, seed=1, extra_body={"ignore_eos": True})
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert {choice.finish_reason for choice in answer.choices} == {"length"}
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (len(model.render(HELLO)), 36)


async def test_the_server_says_what_the_model_says(client: openai.AsyncOpenAI, model: PocketModel) -> None:
    assert [await whole(client, temperature=0)] == generate(model, [HELLO], max_tokens=12, temperature=0.0)


async def test_a_seed_repeats_whatever_else_is_in_the_batch(client: openai.AsyncOpenAI) -> None:
    alone = await whole(client, n=2, seed=5)
    company = [whole(client, n=k, max_tokens=30) for k in (1, 4, 2)]
    together = await asyncio.gather(whole(client, n=2, seed=5), *company)
    assert together[0] == alone
    assert (await whole(client, seed=6)) == alone[1:]


async def test_without_a_seed_answers_differ(client: openai.AsyncOpenAI) -> None:
    assert await whole(client) != await whole(client)


async def test_a_stream_says_what_the_whole_says(client: openai.AsyncOpenAI) -> None:
    asked = {"n": 3, "seed": 2, "stop": ["e"], "max_tokens": 40}
    assert texts(await streamed(client, **asked), 3) == await whole(client, **asked)


async def test_a_stream_opens_with_roles_and_ends_with_reasons_and_usage(client: openai.AsyncOpenAI) -> None:
    chunks = await streamed(
        client, n=2, stream_options={"include_usage": True}, extra_body={"ignore_eos": True}
    )
    assert [chunk.choices[0].delta.role for chunk in chunks[:2]] == ["assistant", "assistant"]
    ends = [choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason == "length"]
    assert sorted(ends) == [0, 1]
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 24)


async def test_a_stream_ends_with_its_mark(http: aiohttp.ClientSession) -> None:
    answer = await http.post("/v1/chat/completions", json=ASK | {"stream": True})
    assert answer.content_type == "text/event-stream"
    assert (await answer.text()).endswith("data: [DONE]\n\n")


async def test_a_stop_string_ends_an_answer_before_it(client: openai.AsyncOpenAI) -> None:
    said = (await whole(client, seed=3, max_tokens=40))[0]
    stop = said[len(said) // 2 :][:2]
    answer = (await client.chat.completions.create(**(ASK | {"max_tokens": 40}), seed=3, stop=stop)).choices[
        0
    ]
    assert answer.message.content == said[: said.index(stop)]
    assert (answer.finish_reason, answer.model_extra["stop_reason"]) == ("stop", stop)  # type: ignore[index]


@pytest.mark.parametrize("stream", [True, False])
async def test_log_probabilities_come_with_every_token(client: openai.AsyncOpenAI, *, stream: bool) -> None:
    asked = {"logprobs": True, "top_logprobs": 2, "seed": 1, "extra_body": {"ignore_eos": True}}
    if stream:
        choices = [choice for chunk in await streamed(client, **asked) for choice in chunk.choices]
    else:
        choices = list((await client.chat.completions.create(**ASK, **asked)).choices)
    told = [token for choice in choices if choice.logprobs for token in choice.logprobs.content or []]
    assert len(told) == 12
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 and token.bytes for token in told)
    assert all(token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob for token in told)


async def test_an_open_answer_is_continued(client: openai.AsyncOpenAI) -> None:
    begun = [*HELLO, {"role": "assistant", "content": "Sure! First"}]
    on = {"continue_final_message": True, "add_generation_prompt": False}
    assert await whole(client, messages=begun, temperature=0, extra_body=on) != await whole(
        client, temperature=0
    )
    with pytest.raises(openai.BadRequestError, match="Cannot set both"):
        await whole(client, messages=begun, extra_body={"continue_final_message": True})


async def test_sixteen_clients_plain_and_streamed_are_all_answered(client: openai.AsyncOpenAI) -> None:
    plain = [whole(client, n=8 if k % 3 == 0 else 1, seed=k) for k in range(8)]
    streams = [streamed(client, n=8 if k % 3 == 0 else 1, seed=k) for k in range(8)]
    said = await asyncio.gather(*plain, *streams)
    assert [texts(chunks, len(alone)) for alone, chunks in zip(said[:8], said[8:], strict=True)] == said[:8]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_who_hangs_up_frees_its_rows(http: aiohttp.ClientSession, *, stream: bool) -> None:
    endless = ASK | {"n": 4, "max_tokens": 200, "stream": stream, "ignore_eos": True}
    asking = asyncio.create_task(http.post("/v1/chat/completions", json=endless))
    while not await running(http):
        await asyncio.sleep(0.001)
    asking.cancel()
    if stream and asking.done():
        asking.result().close()
    while await running(http):
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ({"model": "nobody"}, 404, "model"),
        ({"max_tokens": 1000}, 400, "input_tokens"),
        ({"messages": [{"role": "user", "content": "flour " * 500}]}, 400, "input_tokens"),
        ({"n": 0}, 400, "n"),
        ({"n": 129}, 400, "n"),
        ({"n": 1.5}, 400, "n"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": "few"}, 400, "max_tokens"),
        ({"max_completion_tokens": -1}, 400, "max_completion_tokens"),
        ({"temperature": -0.1}, 400, "temperature"),
        ({"temperature": float("nan")}, 400, "temperature"),
        ({"temperature": float("inf")}, 400, "temperature"),
        ({"temperature": 10**400}, 400, "temperature"),
        ({"temperature": "warm"}, 400, "temperature"),
        ({"temperature": [1]}, 400, "temperature"),
        ({"top_p": 0}, 400, "top_p"),
        ({"top_p": 1.1}, 400, "top_p"),
        ({"top_p": float("nan")}, 400, "top_p"),
        ({"top_k": -2}, 400, "top_k"),
        ({"min_p": 2}, 400, "min_p"),
        ({"presence_penalty": 2.1}, 400, "presence_penalty"),
        ({"frequency_penalty": float("nan")}, 400, "frequency_penalty"),
        ({"repetition_penalty": 0}, 400, "repetition_penalty"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": -1}, 400, "top_logprobs"),
        ({"top_logprobs": 2}, 400, "top_logprobs"),
        ({"logprobs": "many"}, 400, "logprobs"),
        ({"stop": list("abcde")}, 400, "stop"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "tools"),
        ({"min_tokens": 13}, 400, "min_tokens"),
        ({"stop_token_ids": [5, 10**9]}, 400, "stop_token_ids"),
        ({"stop_token_ids": [-1], "min_tokens": 2}, 400, "stop_token_ids"),
        ({"top_k": 10**400}, 400, "top_k"),
        ({"chat_template_kwargs": {"chat_template": "{{ 1 }}"}}, 400, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"tokenize": False}}, 400, "chat_template_kwargs"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, 400, "messages"),
        ({"messages": "hello"}, 400, "messages"),
        ({"messages": None}, 400, "messages"),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_field(
    http: aiohttp.ClientSession, asked: dict[str, Any], status: int, field: str
) -> None:
    answer = await http.post("/v1/chat/completions", json=ASK | asked)
    error = (await answer.json())["error"]
    assert (answer.status, error["param"]) == (status, field)
    assert error.keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    "odd",
    [
        {"temperature": 2.5},
        {"temperature": 1e308},
        {"temperature": 1e-300},
        {"repetition_penalty": 1e-300},
        {"seed": -(10**300)},
        {"top_k": 2**31, "top_p": 1e-300, "min_p": 1.0},
        {"stop": ["\x00", "é" * 1000]},
        {"messages": [{"role": "odd", "content": None, "name": {"a": 1}}]},
        {"chat_template_kwargs": {"enable_thinking": False}},
    ],
)
async def test_odd_wishes_are_granted(http: aiohttp.ClientSession, odd: dict[str, Any]) -> None:
    answer = await http.post("/v1/chat/completions", json=ASK | odd)
    assert (answer.status, (await answer.json())["usage"]["completion_tokens"] > 0) == (200, True)


async def test_a_context_too_long_says_so_in_its_code(http: aiohttp.ClientSession) -> None:
    answer = await http.post("/v1/chat/completions", json=ASK | {"max_tokens": 1000})
    error = (await answer.json())["error"]
    assert error["code"] == "context_length_exceeded"
    assert "maximum context length is 256 tokens. However, you requested 1000 output" in error["message"]


@pytest.mark.parametrize("data", ["{", "", "[]", "\ud800".encode("utf-8", "surrogatepass")])
async def test_what_is_no_json_object_is_refused(http: aiohttp.ClientSession, data: Any) -> None:
    answer = await http.post("/v1/chat/completions", data=data, headers={"content-type": "application/json"})
    assert answer.status == 400
    assert json.loads(await answer.text())["error"]["type"] == "BadRequestError"


async def test_without_a_model_the_base_answers(http: aiohttp.ClientSession) -> None:
    answer = await http.post("/v1/chat/completions", json={"messages": HELLO, "max_tokens": 1})
    assert (await answer.json())["model"] == "tiny"


async def test_without_max_tokens_an_answer_may_fill_the_context(
    http: aiohttp.ClientSession, model: PocketModel
) -> None:
    answer = await http.post("/v1/chat/completions", json={"messages": HELLO, "ignore_eos": True})
    assert (await answer.json())["usage"]["total_tokens"] == model.context
