"""A guard policy that is replaced while several workers answer: each answer is judged by one, whose hash it tells."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.fakes.gateway_alone import POLICY, GatewayAlone, gateway_alone, key_in, policy_file
from tests.fakes.reader import asked
from tests.fakes.streaming_engine import streaming_engine

pytestmark = pytest.mark.slow

CLIENTS, ROUNDS = 24, 4
WORDS = ("herring", "mackerel")
ANSWER = "a herring and then, after a while, a mackerel"
FOLLOWED_SECONDS = 5  # a second is what it takes; tests run on busy machines


@dataclass(frozen=True)
class Answered:
    """What somebody was told, and by which policy, says the header."""

    status: int
    policy: str
    cut: frozenset[str]


async def slowly(question: str) -> AsyncIterator[str]:
    """Both words, with time for a policy to change between them."""
    for word in re.split(r"(?<= )", ANSWER):
        yield word
        await asyncio.sleep(0.05)


async def ask(gateway: GatewayAlone) -> Answered:
    """One stream, over a connection of its own, which the kernel gives to any worker."""
    reader = await (await asked(gateway.port, gateway.key, "what is there?")).head()
    said = await reader.rest()
    assert said.count(b"[DONE]") == 1, said
    text = "".join(re.findall(r'"content":"((?:[^"\\]|\\.)*)"', said.decode()))
    cut = frozenset(word for word in WORDS if word not in text)
    return Answered(reader.status, reader.header("x-trimtab-policy"), cut)


async def ask_for_ever(gateway: GatewayAlone, answers: list[Answered], enough: asyncio.Event) -> None:
    """Ask again and again."""
    while not enough.is_set():
        answers.append(await ask(gateway))


async def followed(gateway: GatewayAlone, policy: str) -> None:
    """Wait until every worker judges by a policy; raises TimeoutError."""
    async with asyncio.timeout(FOLLOWED_SECONDS):
        while {each.policy for each in await asyncio.gather(*(ask(gateway) for _ in range(16)))} != {policy}:
            pass


async def test_every_worker_follows_and_no_answer_is_judged_by_a_mixture(tmp_path: Path) -> None:
    first = policy_file(tmp_path, action="redact", word=WORDS[0])
    documents = [POLICY.format(name="words", action="redact", word=word) for word in WORDS]
    operator, answers, enough = await key_in(tmp_path, "operator"), list[Answered](), asyncio.Event()
    async with (
        streaming_engine(slowly) as engine,
        gateway_alone(tmp_path, engine.url, "--workers", "3", "--policy", str(first)) as gateway,
    ):
        clients = [asyncio.create_task(ask_for_ever(gateway, answers, enough)) for _ in range(CLIENTS)]
        hashes = {}
        async with httpx.AsyncClient(base_url=gateway.admin_url, trust_env=False) as admin:
            for number in range(ROUNDS):
                word = (number + 1) % 2
                told = {"document": documents[word], "cause": "a test"}
                told_to = {"authorization": f"Bearer {operator}"}
                put = await admin.post("/admin/policy", json=told, headers=told_to, timeout=30)
                hashes[put.raise_for_status().json()["hash"]] = frozenset({WORDS[word]})
                await followed(gateway, put.json()["hash"])
        enough.set()
        await asyncio.gather(*clients)
    assert {each.status for each in answers} == {200}
    assert {each.policy for each in answers} == set(hashes)
    assert all(each.cut == hashes[each.policy] for each in answers)
