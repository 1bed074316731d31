"""Reversible redaction through the gateway: only the client knows the values, on every surface, streamed or not."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ask import Ask
from gateway.pipeline import answer
from gateway.restoring import Restoring
from gateway.selection import Selection
from gateway.stream import stream
from gateway.trip import Trip
from guards.policy.load import read_policy
from guards.screen import Screen
from guards.vault import Vault
from guards.verdict import Redaction, Screening, Segment
from tests.fakes.gateway import FakeCaller, Running, running_gateway
from tests.gateway.api.messages.conftest import client_of
from tests.gateway.api.responses.conftest import Written
from tests.gateway.test_stream_properties import LENGTHS, Speaker, tools_for

Json = dict[str, Any]
MAIL, OTHER, CARD = "anna@example.org", "bo+x@mail.example.com", "4111 1111 1111 1111"
POLICY = """
name: hiding
version: 1
guards:
  - id: contacts
    kind: patterns
    where: [prompt, reply]
    on_error: closed
    hazards: {G.pii: {action: redact, threshold: 0.5, reversible: true}}
    config: {sets: [contacts]}
  - id: cards
    kind: patterns
    where: [prompt, reply]
    on_error: closed
    hazards: {G.pii: {action: redact, threshold: 0.5}}
    config: {sets: [personal]}
"""
SCREEN = Screen(read_policy(POLICY, "hiding.yaml", Path()))
PIECES = st.sampled_from([MAIL, OTHER, " ", "[", "[EMAIL-", "]", "Write to ", "ä", "世界", "\n", '"'])
TEXTS = st.lists(PIECES, min_size=1, max_size=10).map(" ".join)


class Echo(Speaker):
    """An engine in memory that says what the user said, in as many choices as it has texts."""

    def hear(self, body: Mapping[str, Any]) -> None:
        self.heard = body["messages"]
        self._texts = [body["messages"][-1]["content"] for _ in self._texts]

    async def complete(self, body: Mapping[str, Any], *_: Any) -> Json:
        self.hear(body)
        return await super().complete(body)

    async def stream(self, body: Mapping[str, Any], *_: Any) -> AsyncGenerator[list[Json], None]:
        self.hear(body)
        async for together in super().stream(body):
            yield together


def echoed(text: str, lengths: list[int], *, streamed: bool) -> tuple[str, Trip, Echo]:
    """What the client reads of its own text, the trip, and the engine."""

    async def there() -> tuple[str, Trip, Echo]:
        engine = Echo([""], lengths)
        tools = replace(tools_for([""], lengths, SCREEN), engine=engine)  # type: ignore[arg-type]
        body = {"model": "assistant", "messages": [{"role": "user", "content": text}]}
        caller, one = FakeCaller("k", "application"), Selection("single", 1, 1)
        ask = Ask("id", caller, body, "assistant", one, 1, 1, 60.0, stream=streamed)
        trip = Trip.begin(ask, SCREEN)
        if not streamed:
            whole = await answer(trip, tools)
            return whole["choices"][0]["message"]["content"], trip, engine
        said = ""
        async for together in stream(trip, tools):
            for choice in (choice for chunk in together for choice in chunk["choices"]):
                said += choice["delta"].get("content") or ""
        return said, trip, engine

    return asyncio.run(there())


@settings(deadline=None, max_examples=60)
@given(TEXTS, LENGTHS)
def test_every_cut_of_a_stream_gives_back_what_was_sent(text: str, lengths: list[int]) -> None:
    plain, _, _ = echoed(text, [1], streamed=False)
    said, trip, engine = echoed(text, lengths, streamed=True)
    assert plain == said == text
    seen = json.dumps([*engine.heard, trip.exchange().answer, *map(str, trip.exchange().messages)])
    assert MAIL not in seen
    assert OTHER not in seen


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hidden") / "ledger.db"


@pytest.fixture(scope="module")
def served(file: Path) -> Iterator[Running]:
    with running_gateway(database=f"sqlite:///{file}") as running:
        yield running


@pytest.fixture
def gateway(served: Running) -> Running:
    served.reset(SCREEN)
    served.engine.says("You wrote: @@.", echoes="@@", chunk_length=3)
    return served


@pytest.fixture
def client(gateway: Running) -> Iterator[anthropic.Anthropic]:
    with client_of(gateway) as client:
        yield client


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_neither_engine_nor_record_nor_reward_model_learns_the_value(
    gateway: Running, sdk: openai.OpenAI
) -> None:
    asked = sdk.chat.completions.create(
        model="assistant", messages=user(MAIL), extra_body={"alignment": {"n": 2}}
    )
    assert asked.choices[0].message.content == f"You wrote: {MAIL}."
    everything = [gateway.engine.asked.body, gateway.recorded, gateway.rewards.asked, gateway.rewards.read]
    assert MAIL not in str(everything)
    assert str(everything).count("EMAIL-ADDRESS") > 4


def test_a_value_that_is_cut_for_good_stays_cut(gateway: Running, sdk: openai.OpenAI) -> None:
    asked = sdk.chat.completions.create(model="assistant", messages=user(f"{CARD} of {MAIL}"))
    assert asked.choices[0].message.content == f"You wrote: [card number removed] of {MAIL}."


def test_all_messages_share_a_values_placeholder(gateway: Running, sdk: openai.OpenAI) -> None:
    sdk.chat.completions.create(model="assistant", messages=[*user(f"I am {MAIL}"), *user(f"Who is {MAIL}?")])
    first, second = (message["content"] for message in gateway.engine.asked.body["messages"])
    assert first.removeprefix("I am ") == second.removeprefix("Who is ").removesuffix("?")


def test_what_the_model_itself_gives_away_is_still_redacted(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(f"Ask {OTHER}, not @@.", echoes="@@")
    asked = sdk.chat.completions.create(model="assistant", messages=user(MAIL))
    assert asked.choices[0].message.content == f"Ask [email address removed], not {MAIL}."


def test_all_choices_of_a_stream_are_restored(gateway: Running, sdk: openai.OpenAI) -> None:
    said = ["", ""]
    for chunk in sdk.chat.completions.create(model="assistant", messages=user(MAIL), n=2, stream=True):
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
    assert said == [f"You wrote: {MAIL}."] * 2


@pytest.mark.parametrize("streamed", [False, True])
def test_legacy_completions_are_restored(gateway: Running, http: httpx.Client, streamed: bool) -> None:
    body = {"model": "assistant", "prompt": MAIL, "stream": streamed}
    answered = http.post("/v1/completions", json=body)
    if streamed:
        frames = [json.loads(line[6:]) for line in answered.text.split("\n\n") if line.startswith("data: {")]
        assert "".join(frame["choices"][0]["text"] for frame in frames) == f"You wrote: {MAIL}."
    else:
        assert answered.json()["choices"][0]["text"] == f"You wrote: {MAIL}."


def test_messages_are_restored(client: anthropic.Anthropic) -> None:
    plain = client.messages.create(model="assistant", max_tokens=9, messages=user(MAIL))
    assert plain.content[0].text == f"You wrote: {MAIL}."  # type: ignore[union-attr]
    with client.messages.stream(model="assistant", max_tokens=9, messages=user(MAIL)) as streamed:
        assert streamed.get_final_text() == f"You wrote: {MAIL}."


@pytest.mark.parametrize("streamed", [False, True])
def test_responses_are_restored_and_stored_as_the_model_wrote_them(
    gateway: Running, sdk: openai.OpenAI, file: Path, streamed: bool
) -> None:
    asked: Json = {"model": "assistant", "input": MAIL, "instructions": f"You are {OTHER}"}
    if streamed:
        with sdk.responses.stream(**asked) as events:
            told = events.get_final_response()
    else:
        told = sdk.responses.create(**asked)
    assert (told.output_text, told.instructions) == (f"You wrote: {MAIL}.", f"You are {OTHER}")
    assert MAIL not in sdk.responses.retrieve(told.id).output_text
    assert MAIL not in str(Written(file))
    assert OTHER not in str(Written(file))


def calling(arguments: str) -> tuple[Json, ...]:
    function = {"name": "send", "arguments": arguments}
    thought = {"reasoning_content": "To @@, then.", "content": "On it: @@"}
    call = {"id": "call-1", "type": "function", "function": function}
    return ({"role": "assistant", **thought, "tool_calls": [call]},)


@pytest.mark.parametrize("streamed", [False, True])
def test_reasoning_content_and_arguments_are_restored(
    gateway: Running, http: httpx.Client, streamed: bool
) -> None:
    gateway.engine.says(
        messages=calling(json.dumps({"to": "<@@>"})), echoes="@@", finish_reason="tool_calls", chunk_length=5
    )
    body = {"model": "assistant", "messages": user(MAIL), "stream": streamed}
    answered = http.post("/v1/chat/completions", json=body)
    if streamed:
        chunks = [json.loads(line[6:]) for line in answered.text.split("\n\n") if line.startswith("data: {")]
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        thought = "".join(delta.get("reasoning_content") or "" for delta in deltas)
        content = "".join(delta.get("content") or "" for delta in deltas)
        calls = [call for delta in deltas for call in delta.get("tool_calls") or ()]
        arguments = "".join(call["function"]["arguments"] for call in calls)
    else:
        message = answered.json()["choices"][0]["message"]
        thought, content = message["reasoning_content"], message["content"]
        arguments = message["tool_calls"][0]["function"]["arguments"]
    assert (thought, content) == (f"To {MAIL}, then.", f"On it: {MAIL}")
    assert json.loads(arguments) == {"to": f"<{MAIL}>"}


def test_an_answer_to_a_prompt_that_was_hidden_spells_nothing_in_tokens(
    gateway: Running, http: httpx.Client
) -> None:
    token = {"token": "You", "logprob": -0.1, "bytes": [89, 111, 117], "top_logprobs": []}
    choice = {"index": 0, "message": {"role": "assistant", "content": "You"}, "finish_reason": "stop"}
    spelt = {**choice, "logprobs": {"content": [token]}, "token_ids": [7]}
    gateway.engine.says(raw=json.dumps({"choices": [spelt]}).encode())
    asked = {"model": "assistant", "logprobs": True}
    clear, hidden = (
        http.post("/v1/chat/completions", json={**asked, "messages": user(text)}).json()["choices"][0]
        for text in ("hi", MAIL)
    )
    assert clear["logprobs"]["content"][0]["token"] == "You"
    assert (hidden["logprobs"], hidden["token_ids"]) == (None, None)


def test_embedded_texts_are_cut_for_good_so_that_one_text_is_one_vector(
    gateway: Running, http: httpx.Client
) -> None:
    for _ in range(2):
        http.post("/v1/embeddings", json={"model": "assistant", "input": f"from {MAIL}"})
    assert [one.body["input"] for one in gateway.engine.requests] == [["from [email address removed]"]] * 2


def chunk(delta: Json, end: str | None = None) -> Json:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}]}


def test_what_was_held_leaves_before_what_comes_after_it() -> None:
    vault = Vault("[{label}-{id}]")
    held = hidden_in(vault)[:6]
    restoring = Restoring(vault)
    told = restoring.restored(
        [chunk({"reasoning": f"a {held}"}), chunk({"content": "b ["}), chunk({}, "stop")]
    )
    deltas = [one["choices"][0]["delta"] for one in told]
    assert deltas == [{"reasoning": "a "}, {"reasoning": held}, {"content": "b "}, {"content": "["}, {}]
    assert [one["choices"][0]["finish_reason"] for one in told] == [None, None, None, None, "stop"]


def hidden_in(vault: Vault) -> str:
    """A placeholder of the vault's."""
    segment = Segment(MAIL, "prompt")
    cut = Redaction(0, len(MAIL), "", "email address", reversible=True)
    return vault.hide(Screening("", segments=(segment,), redactions=((cut,),)), [segment]).text
