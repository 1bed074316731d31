"""The steps by LiteLLM's client."""

import litellm
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
litellm.suppress_debug_info = True  # which it would print amid what is told here

# For a model that it does not know it would ask for a whole response, and make a stream of that itself.
litellm.register_model(
    {"openai/assistant": {"litellm_provider": "openai", "mode": "chat", "supports_native_streaming": True}}
)


def ask(step: Json, **how: object) -> object:
    asked = request_of(step)
    model = f"openai/{asked.pop('model')}"
    key = step.get("key", own)
    return litellm.completion(
        model=model, api_base=f"{address}/v1", api_key=key, num_retries=0, max_retries=0, **asked, **how
    )


def chat(step: Json) -> Json:
    return whole_of(ask(step))


def stream(step: Json) -> Json:
    return heard_of(ask(step, stream=True, stream_options={"include_usage": True}))


def drain(step: Json) -> Json:
    return drained_of(ask(step, stream=True))


def failure(step: Json) -> Json:
    try:
        return {"heard": stream(step) if step.get("stream") else chat(step)}
    except openai.APIError as error:  # which LiteLLM's own errors are
        return {} if step.get("stream") else failure_of(error)


def response(step: Json) -> Json:
    asked = response_asked_by(step) | {"model": "openai/assistant"}
    told = litellm.responses(api_base=f"{address}/v1", api_key=own, stream=bool(step.get("stream")), **asked)
    return response_heard_in(told) if step.get("stream") else response_of(told)


def embeddings(step: Json) -> Json:
    asked = {"model": "openai/assistant", "api_base": f"{address}/v1", "api_key": own}
    answer = litellm.embedding(**asked, **step["ask"])
    return {"vectors": [each["embedding"] for each in answer.data]}


walk(
    {
        "chat": chat,
        "stream": stream,
        "drain": drain,
        "failure": failure,
        "response": response,
        "embeddings": embeddings,
    },
    {
        "models": "LiteLLM's client lists no server's models",
        "a count of tokens": "LiteLLM counts by tokenizers of its own",
    },
)
