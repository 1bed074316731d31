"""Embeddings through OpenAI's own client: texts are guarded on their way in, and come back as vectors."""

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.fakes.engine import FakeEngine, fake_engine
from tests.fakes.gateway import Running, running_gateway, until
from tests.fakes.guards import FAILS, FLAGGED, REDACTED, REFUSED, WordGuard, word_screen

Beside = tuple[FakeEngine, Running]


def ask(http: httpx.Client, given: object = "one", **body: object) -> httpx.Response:
    return http.post("/v1/embeddings", json={"model": "assistant", "input": given, **body})


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    """A gateway with a server for embeddings beside its policy engine."""
    with fake_engine() as (embedder, server):
        embedder.adapters["bge"] = "a model of another name"
        told = {"url": f"{server.url}/v1", "api_key": "SENTINEL", "models": {"text-embedding-3-small": "bge"}}
        with running_gateway(embeddings=told) as running:
            yield embedder, running


def test_the_official_client_gets_its_vectors(gateway: Running, sdk: openai.OpenAI) -> None:
    answer = sdk.embeddings.create(model="assistant", input=["one", "three"])
    assert [(each.index, each.embedding) for each in answer.data] == [(0, [3.0, 0.0]), (1, [5.0, 1.0])]
    assert (answer.model, answer.usage.prompt_tokens) == ("assistant", 6)
    assert gateway.engine.asked.body["encoding_format"] == "base64"  # which the client asks for by itself


def test_the_official_client_gets_plain_numbers_too(gateway: Running, sdk: openai.OpenAI) -> None:
    answer = sdk.embeddings.create(model="assistant", input="one", encoding_format="float")
    assert answer.data[0].embedding == [3.0, 0.0]
    assert gateway.engine.asked.body["encoding_format"] == "float"


def test_the_engine_gets_every_field(gateway: Running, http: httpx.Client) -> None:
    ask(http, dimensions=2, user="ann", truncate_prompt_tokens=8, alignment={"deadline_ms": 500})
    assert gateway.engine.asked.path == "/v1/embeddings"
    assert gateway.engine.asked.body == {
        "model": "base",
        "input": ["one"],
        "dimensions": 2,
        "user": "ann",
        "truncate_prompt_tokens": 8,
    }


def test_guards_read_every_text_and_not_the_encodings_name(gateway: Running, http: httpx.Client) -> None:
    guard = WordGuard()
    gateway.reset(word_screen(guard=guard))
    ask(http, ["one", "two"], encoding_format="float", instruction="find likes")
    assert [segment.text for segment in guard.shown] == ["one", "two", "find likes"]


@pytest.mark.parametrize("shape", ["refuse", "error"])
def test_a_refused_text_is_an_error_whatever_the_policys_shape(
    gateway: Running, sdk: openai.OpenAI, shape: str
) -> None:
    gateway.reset(word_screen(shape))
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.embeddings.create(model="assistant", input=["fine", f"a {REFUSED}"])
    assert refused.value.code == "content_policy_violation"
    assert not gateway.engine.requests
    assert (gateway.recorded.finish_reason, gateway.recorded.hazards) == ("content_filter", ("hte",))


def test_a_text_that_could_not_be_screened_is_not_embedded(gateway: Running, http: httpx.Client) -> None:
    answer = ask(http, FAILS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "guard_failed")
    assert not gateway.engine.requests


def test_a_redacted_text_is_embedded_redacted(gateway: Running, http: httpx.Client) -> None:
    assert ask(http, ["fine", f"my {REDACTED}"]).status_code == 200
    assert gateway.engine.asked.body["input"] == ["fine", "my [secret removed]"]


def test_a_flagged_request_is_embedded_and_recorded(gateway: Running, http: httpx.Client) -> None:
    answer = ask(http, ["fine", f"a {FLAGGED} word"], user="ann")
    recorded = gateway.recorded
    assert answer.headers["x-trimtab-exchange"] == recorded.id
    assert [message["content"] for message in recorded.messages] == ["fine", f"a {FLAGGED} word"]
    assert (recorded.strategy, recorded.finish_reason, recorded.subject) == ("embedding", "stop", "ann")
    assert recorded.flagged
    assert not recorded.candidates


def test_what_must_be_recorded_and_cannot_be_is_not_delivered(gateway: Running, http: httpx.Client) -> None:
    gateway.recorder.full = True
    answer = ask(http, f"a {FLAGGED} word")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_full")


def test_an_unflagged_request_leaves_nothing_in_the_ledger(gateway: Running, http: httpx.Client) -> None:
    assert ask(http).status_code == 200
    assert not gateway.recorder.exchanges


def test_who_asks_is_told_why_a_text_was_flagged(http: httpx.Client) -> None:
    told = ask(http, f"a {FLAGGED} word", alignment={"explain": True}).json()["alignment"]
    assert [finding["hazard"] for finding in told["prompt"]["findings"]] == ["dfm"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": [1, 2, 3]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": []}, "input"),
        ({"input": ["x"] * 2049}, "input"),
        ({"input": None}, "input"),
        ({"input": {"text": "a"}}, "input"),
        ({"model": None}, "model"),
        ({"messages": [{"role": "user", "content": "a"}]}, "messages"),
        ({"user": 7}, "user"),
        ({"stream": True}, "stream"),
        ({"documents": ["a"]}, "documents"),
        ({"alignment": {"n": 4}}, "alignment.n"),
        ({"alignment": {"strategy": "single"}}, "alignment.strategy"),
        ({"alignment": {"deadline_ms": 10**9}}, "alignment.deadline_ms"),
    ],
)
def test_the_field_at_fault_is_named(http: httpx.Client, body: dict[str, object], param: str) -> None:
    answer = http.post("/v1/embeddings", json={"model": "assistant", "input": "one", **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_texts_beyond_what_guards_may_read_are_told_as_the_input() -> None:
    with running_gateway(limits={"max_texts": 2}) as running, running.http() as http:
        answer = ask(http, ["a", "b", "c"])
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")


def test_an_unknown_model_is_not_found(gateway: Running, sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        sdk.embeddings.create(model="gpt-9", input="one")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    assert not gateway.engine.requests


@pytest.mark.parametrize("status", [404, 405, 501])
def test_an_engine_that_does_not_embed_is_told_as_a_model_that_does_not(
    gateway: Running, http: httpx.Client, status: int
) -> None:
    gateway.engine.says(refuse=(status, {"error": {"message": "no such route"}}))
    error = ask(http).json()["error"]
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "'assistant' makes no embeddings" in error["message"]


def test_an_engines_400_keeps_its_reason(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(refuse=(400, {"error": {"message": "The model does not support Embeddings API"}}))
    answer = ask(http)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "The model does not support Embeddings API"


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"data": 7}',
        b'{"data": []}',
        b'{"data": [{"index": 0}]}',
        b'{"data": [{"index": 0, "embedding": {"text": "a"}}]}',
        b'{"data": [{"index": "0", "embedding": [1]}]}',
    ],
)
def test_an_answer_that_is_no_embedding_is_the_engines_fault(
    gateway: Running, http: httpx.Client, raw: bytes
) -> None:
    gateway.engine.says(raw=raw)
    assert ask(http).status_code == 502


def test_a_deadline_ends_the_wait_for_the_engine(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(before_answer=30)
    assert ask(http, alignment={"deadline_ms": 100}).status_code == 504
    assert until(lambda: gateway.engine.asked.state == "left", 1)


def test_a_client_that_leaves_cancels_the_engine(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(before_answer=30)
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/embeddings", json={"model": "assistant", "input": f"a {FLAGGED} word"}, timeout=0.3)
    assert until(lambda: gateway.engine.asked.state == "left", 1)
    assert until(lambda: bool(gateway.recorder.exchanges), 1)
    assert gateway.recorded.error == "client left"


def test_requests_are_counted_under_a_name_of_their_own(gateway: Running, http: httpx.Client) -> None:
    labels = {"route": "embeddings", "strategy": "embedding"}
    before = gateway.metric("trimtab_requests_total", outcome="refused", **labels)
    ask(http, REFUSED)
    assert until(lambda: gateway.metric("trimtab_requests_total", outcome="refused", **labels) == before + 1)


def test_a_viewer_may_not_ask(gateway: Running) -> None:
    with gateway.http("viewer") as viewer:
        assert ask(viewer).status_code == 403


def test_a_server_beside_the_policy_engines_embeds_under_its_own_name(beside: Beside) -> None:
    embedder, running = beside
    running.reset()
    with running.sdk() as sdk:
        answer = sdk.embeddings.create(model="text-embedding-3-small", input="one")
    assert (answer.model, answer.data[0].embedding) == ("text-embedding-3-small", [3.0, 0.0])
    assert embedder.asked.body["model"] == "bge"
    assert embedder.asked.headers["authorization"] == "Bearer SENTINEL"
    assert not running.engine.requests


def test_with_a_server_of_its_own_no_other_model_embeds(beside: Beside) -> None:
    with beside[1].http() as http:
        assert ask(http).status_code == 404


def test_its_models_are_listed_for_every_key(beside: Beside) -> None:
    with beside[1].sdk() as sdk:
        assert [model.id for model in sdk.models.list()] == ["assistant", "text-embedding-3-small"]
        assert sdk.models.retrieve("text-embedding-3-small").id == "text-embedding-3-small"


def test_its_absence_is_told_as_an_engines() -> None:
    told = {"url": "http://127.0.0.1:9/v1", "models": {"embed": "bge"}}
    with running_gateway(embeddings=told) as running, running.http() as http:
        answer = ask(http, model="embed")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_unavailable")
