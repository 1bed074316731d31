"""The pocket engine and a real vLLM, asked the same: one dialect, down to the greedy text."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.engines.contract import EngineRefused
from gateway.engines.http import HttpEngine

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif("TRIMTAB_TEST_VLLM" not in os.environ, reason="see .ci/vllm for how to make one"),
]

NAMES: Iterator[int] = count()


def ask(model: str = "base", **changes: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": "How do I do it?"}], "max_tokens": 24}
    return body | changes


def texts(answer: dict[str, Any]) -> list[str]:
    return [choice["message"]["content"] for choice in answer["choices"]]


@asynccontextmanager
async def loaded(engine: HttpEngine, folder: Path) -> AsyncIterator[str]:
    """An adapter under a name never used before."""
    name = f"version-{next(NAMES)}"
    await engine.load_adapter(name, folder)
    yield name
    await engine.unload_adapter(name)


async def test_greedy_texts_are_the_same(vllm: HttpEngine, pocket: HttpEngine) -> None:
    body = ask(temperature=0.0)
    assert texts(await vllm.complete(body)) == texts(await pocket.complete(body))


async def test_greedy_continuations_are_the_same(vllm: HttpEngine, pocket: HttpEngine) -> None:
    body = ask(temperature=0.0, logprobs=2)
    there, here = [(await engine.complete(body, "text"))["choices"][0] for engine in (vllm, pocket)]
    assert there["message"] == here["message"]
    [told], [tells] = there["logprobs"]["content"], here["logprobs"]["content"]
    assert (told["tokens"], told["text_offset"]) == (tells["tokens"], tells["text_offset"])
    assert told["token_logprobs"] == pytest.approx(tells["token_logprobs"], abs=1e-3)


async def test_tokens_are_counted_the_same(vllm: HttpEngine, pocket: HttpEngine) -> None:
    body = {name: value for name, value in ask().items() if name != "max_tokens"}
    assert await vllm.count(body) == await pocket.count(body) > 0


async def test_greedy_texts_of_an_adapter_are_the_same(
    vllm: HttpEngine, pocket: HttpEngine, adapters: Path
) -> None:
    async with loaded(vllm, adapters / "one") as there, loaded(pocket, adapters / "one") as here:
        said = texts(await vllm.complete(ask(there, temperature=0.0)))
        assert said == texts(await pocket.complete(ask(here, temperature=0.0)))
    assert said != texts(await vllm.complete(ask(temperature=0.0)))


async def test_a_seed_repeats_its_texts_and_siblings_differ(engine: HttpEngine) -> None:
    first, again = [await engine.complete(ask(n=4, seed=7)) for _ in range(2)]
    assert texts(first) == texts(again)
    assert len(set(texts(first))) == 4


async def test_usage_counts_every_candidate(engine: HttpEngine) -> None:
    usage = (await engine.complete(ask(n=3, seed=1, ignore_eos=True)))["usage"]
    assert usage["completion_tokens"] == 3 * 24
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_a_stream_says_what_the_whole_says(engine: HttpEngine) -> None:
    body = ask(temperature=0.0)
    whole = texts(await engine.complete(body))[0]
    chunks = [chunk async for batch in engine.stream(body | {"stream": True}) for chunk in batch]
    assert (
        "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
        == whole
    )


async def test_a_stream_opens_with_the_role_and_closes_with_a_reason_and_usage(engine: HttpEngine) -> None:
    body = ask(stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for batch in engine.stream(body) for chunk in batch]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-2]["choices"][0]["finish_reason"] in {"stop", "length"}
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["completion_tokens"] > 0) == ([], True)


async def test_logprobs_come_in_openais_shape(engine: HttpEngine) -> None:
    answer = await engine.complete(ask(logprobs=True, top_logprobs=2, max_tokens=3, temperature=0.0))
    told = answer["choices"][0]["logprobs"]["content"][0]
    assert told["logprob"] <= 0
    assert len(told["top_logprobs"]) == 2


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"model": "nobody"}, 404),
        ({"max_tokens": 100_000}, 400),
        ({"messages": [{"role": "user", "content": "word " * 5000}]}, 400),
        ({"messages": "not a list"}, 400),
    ],
)
async def test_bad_input_has_the_same_status(
    engine: HttpEngine, changes: dict[str, Any], status: int
) -> None:
    with pytest.raises(EngineRefused) as refused:
        await engine.complete(ask(**changes))
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("folder", "status"), [("nowhere", 404), ("too_large", 500), ("dora", 500), ("truncated", 500)]
)
async def test_an_adapter_that_does_not_load_leaves_the_engine_serving(
    engine: HttpEngine, adapters: Path, folder: str, status: int
) -> None:
    with pytest.raises(EngineRefused) as refused:
        await engine.load_adapter(f"bad-{next(NAMES)}", adapters / folder)
    assert refused.value.status == status
    assert texts(await engine.complete(ask()))


async def test_a_name_is_never_loaded_twice(engine: HttpEngine, adapters: Path) -> None:
    async with loaded(engine, adapters / "one") as name:
        assert name in await engine.models()
        with pytest.raises(EngineRefused) as refused:
            await engine.load_adapter(name, adapters / "two")
    assert refused.value.status == 400
    assert name not in await engine.models()


async def test_two_versions_in_flight_say_what_each_says_alone(engine: HttpEngine, adapters: Path) -> None:
    async with loaded(engine, adapters / "one") as one, loaded(engine, adapters / "two") as two:
        bodies = [ask(name, temperature=0.0) for name in (one, two)]
        alone = [texts(await engine.complete(body)) for body in bodies]
        together = await asyncio.gather(*(engine.complete(body) for body in bodies * 3))
    assert [texts(answer) for answer in together] == alone * 3


async def test_a_stream_finishes_on_the_version_that_is_unloaded_meanwhile(
    engine: HttpEngine, adapters: Path
) -> None:
    name = f"version-{next(NAMES)}"
    await engine.load_adapter(name, adapters / "one")
    body = ask(name, temperature=0.0, max_tokens=96, ignore_eos=True)
    whole = texts(await engine.complete(body))[0]
    stream = engine.stream(body | {"stream": True})
    heard = [*await anext(stream)]
    await engine.unload_adapter(name)
    heard += [chunk async for batch in stream for chunk in batch]
    assert "".join(c["delta"].get("content") or "" for chunk in heard for c in chunk["choices"]) == whole
