"""Embeddings: what the gateway sends is what the engine sent, byte by byte, but for names that are ours."""

import base64
import struct
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.gateway import Running
from tests.fakes.guards import FLAGGED, REDACTED, REFUSED
from tests.gateway.golden.answers import Json, compact
from tests.gateway.golden.conftest import ask

VECTOR = [0.0123456789012345, -0.5, 1.0, 0.0, -0.25, 3]
ENCODED = base64.b64encode(struct.pack("<6f", *VECTOR)).decode()
TEXTS = ["one", "zwei, 三"]


def embeddings(*vectors: list[Any] | str, **told: Any) -> Json:
    """An answer with vLLM's fields, in vLLM's order."""
    return {
        "id": "embd-of-the-engine",
        "object": "list",
        "created": 1767225600,
        "model": "base",
        "data": [
            {"index": index, "object": "embedding", "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "usage": {
            "prompt_tokens": 6,
            "total_tokens": 6,
            "completion_tokens": 0,
            "prompt_tokens_details": None,
        },
    } | told


OPENAIS: Json = {
    "object": "list",
    "data": [
        {"object": "embedding", "embedding": VECTOR, "index": 0},
        {"object": "embedding", "embedding": VECTOR[::-1], "index": 1},
    ],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 6, "total_tokens": 6},
}
ANSWERS = {
    "float": embeddings(VECTOR, VECTOR[::-1]),
    "base64": embeddings(ENCODED, ENCODED),
    "openai's": OPENAIS,
    "cached": embeddings(
        VECTOR, VECTOR, usage={**OPENAIS["usage"], "prompt_tokens_details": {"cached_tokens": 2}}
    ),
    "tomorrow": embeddings(VECTOR, VECTOR, truncated=[0, 1], metrics={"queued_seconds": 0.25}),
    "mixed": embeddings(VECTOR, VECTOR) | {"data": OPENAIS["data"][::-1]},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_vectors_are_the_engines_byte_for_byte(name: str, gateway: Running, http: httpx.Client) -> None:
    told = ANSWERS[name]
    gateway.engine.says(raw=compact(told))
    answer = ask(http, "embeddings", input=TEXTS, encoding_format="base64" if name == "base64" else "float")
    ours = {"id": f"embd-{answer.headers['x-trimtab-exchange']}"} if "id" in told else {}
    assert answer.content == compact(told | ours | {"model": "assistant"})
    assert gateway.engine.asked.body["input"] == TEXTS


@pytest.mark.parametrize("number", [1.5e-05, -1.1920928955078125e-07, 1e22, 5e-324, 1.7976931348623157e308])
def test_a_number_is_the_engines_whatever_its_size(
    number: float, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(
        raw=compact(embeddings([number]))
    )  # in Python's notation: orjson's has no `+` and no `0`
    assert ask(http, "embeddings", input="one").json()["data"][0]["embedding"] == [number]


@pytest.mark.parametrize("wanted", ["float", "base64"])
def test_the_official_client_reads_both_encodings(wanted: Any, gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(raw=compact(ANSWERS[wanted]))
    asked = {} if wanted == "base64" else {"encoding_format": wanted}  # which the client asks for by itself
    answer = sdk.embeddings.create(model="assistant", input=TEXTS, **asked)
    assert gateway.engine.asked.body["encoding_format"] == wanted
    assert answer.data[0].embedding == pytest.approx(VECTOR)


def test_a_bare_answer_gets_what_clients_need(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(raw=compact({"data": [{"index": 0, "embedding": VECTOR}]}))
    assert ask(http, "embeddings", input="one").json() == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": VECTOR}],
        "model": "assistant",
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }


SONG = f"la la {REFUSED}"


@pytest.mark.parametrize(
    "told",
    [
        {"song": SONG},
        {"songs": [{"words": SONG}]},
        {"object": SONG},
        {"id": SONG},
        {"usage": {"prompt_tokens": 6, "total_tokens": 6, "note": SONG}},
        {"data": [{"index": 0, "object": SONG, "embedding": VECTOR, "note": SONG}]},
    ],
)
def test_text_beside_the_vectors_is_left_out(told: Json, gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(raw=compact(embeddings(VECTOR, **told)))
    answer = ask(http, "embeddings", input="one")
    assert REFUSED not in answer.text
    assert answer.json()["data"] == embeddings(VECTOR)["data"]


@pytest.mark.parametrize("vector", [SONG, [SONG], [0.5, SONG], [[SONG]], "", "a?b="])
def test_a_vector_that_is_text_is_none(vector: Any, gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(raw=compact(embeddings(vector)))
    answer = ask(http, "embeddings", input="one")
    assert (answer.status_code, REFUSED in answer.text) == (502, False)


@pytest.mark.parametrize(("word", "left"), [(FLAGGED, True), (REDACTED, False)])
def test_numbers_that_could_spell_what_was_cut_out_are_left_out(
    word: str, left: bool, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(raw=compact(embeddings(VECTOR, prompt_token_ids=[7, 8])))
    assert ("prompt_token_ids" in ask(http, "embeddings", input=f"a {word}").json()) is left
