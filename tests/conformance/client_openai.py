"""The steps by OpenAI's own client for Python."""

from functools import cache

import openai
from walk import (
    Json,
    drained_of,
    failure_of,
    heard_of,
    request_of,
    response_asked_by,
    response_heard_in,
    response_of,
    walk,
    where,
    whole_of,
)

address, own = where()


@cache
def client(key: str = own) -> openai.OpenAI:
    """One for all steps, but for a stranger's."""
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, timeout=30)


def chat(step: Json) -> Json:
    return whole_of(client(step.get("key", own)).chat.completions.create(**request_of(step)))


def chunks_of(step: Json) -> object:
    asked = {**request_of(step), "stream": True, "stream_options": {"include_usage": True}}
    return client().chat.completions.create(**asked)


def stream(step: Json) -> Json:
    return heard_of(chunks_of(step))


def drain(step: Json) -> Json:
    return drained_of(chunks_of(step))


def failure(step: Json) -> Json:
    try:
        return {"heard": stream(step) if step.get("stream") else chat(step)}
    except openai.APIStatusError as error:
        return failure_of(error)
    except openai.APIError:
        return {}


def response(step: Json) -> Json:
    asked = response_asked_by(step)
    if step.get("stream"):
        return response_heard_in(client().responses.create(**asked, stream=True))
    return response_of(client().responses.create(**asked))


def embeddings(step: Json) -> Json:
    answer = client().embeddings.create(model="assistant", **step["ask"])
    return {"vectors": [each.embedding for each in answer.data]}


def models(step: Json) -> Json:
    return {"models": [each.id for each in client().models.list()]}


walk(
    {
        "chat": chat,
        "stream": stream,
        "drain": drain,
        "failure": failure,
        "response": response,
        "embeddings": embeddings,
        "models": models,
    },
    {"a count of tokens": "OpenAI has no route for it that the gateway serves"},
)
