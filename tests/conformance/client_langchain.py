"""The steps by langchain-openai."""

from functools import cache, reduce
from operator import add

import openai
from langchain_core.messages import AIMessage, convert_to_messages
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from walk import Json, failure_of, is_json, request_of, walk, where

address, own = where()


@cache
def client(key: str = own, model: str = "assistant") -> ChatOpenAI:
    """One for all steps, but for a stranger's and an unknown model's."""
    return ChatOpenAI(base_url=f"{address}/v1", api_key=key, model=model, max_retries=0, stream_usage=True)


def asked_by(step: Json) -> tuple[list[object], Json]:
    asked = request_of(step)
    asked.pop("model")
    return convert_to_messages(asked.pop("messages")), asked


def choice_of(said: AIMessage) -> Json:
    told = said.response_metadata
    logprobs = (told.get("logprobs") or {}).get("content") or ()
    return {
        "content": said.content,
        "calls": [[call["id"], call["name"], call["args"]] for call in said.tool_calls],
        "finish_reason": told.get("finish_reason"),
        "logprobs": [[each["token"], each["logprob"]] for each in logprobs],
    }


def usage_of(said: AIMessage) -> list[int] | None:
    told = said.usage_metadata
    return told and [told["input_tokens"], told["output_tokens"], told["total_tokens"]]


def chat(step: Json) -> Json:
    messages, asked = asked_by(step)
    told = client(step.get("key", own), step.get("model", "assistant")).generate([messages], **asked)
    said = [each.message for each in told.generations[0]]
    return {"choices": list(map(choice_of, said)), "usage": usage_of(said[0])}


def stream(step: Json) -> Json:
    messages, asked = asked_by(step)
    whole = reduce(add, client().stream(messages, **asked))
    return {"choices": [choice_of(whole)], "usage": usage_of(whole)}


def drain(step: Json) -> Json:
    messages, asked = asked_by(step)
    pieces = list(client().stream(messages, **asked))
    written = "".join(call["args"] or "" for piece in pieces for call in piece.tool_call_chunks)
    whole = reduce(add, pieces)
    return {"finish_reason": whole.response_metadata["finish_reason"], "whole": is_json(written)}


def failure(step: Json) -> Json:
    try:
        return {"heard": stream(step) if step.get("stream") else chat(step)}
    except openai.APIStatusError as error:
        return failure_of(error)
    except openai.APIError:
        return {}


@cache
def responding() -> ChatOpenAI:
    """The same client by the Responses API."""
    return ChatOpenAI(
        base_url=f"{address}/v1", api_key=own, model="assistant", use_responses_api=True, store=False
    )


def response(step: Json) -> Json:
    messages, asked = asked_by(step)
    if step.get("stream"):
        said = reduce(add, responding().stream(messages, **asked))
    else:
        said = responding().invoke(messages, **asked)
    reason = (said.response_metadata.get("incomplete_details") or {}).get("reason")
    choice = {**choice_of(said), "content": said.text, "finish_reason": reason or "stop"}
    return {"choices": [choice], "usage": usage_of(said)}


def embeddings(step: Json) -> Json:
    asked = dict(step["ask"])
    texts = asked.pop("input")
    # Otherwise it sends token ids of OpenAI's own tokenizer, which no guard can read.
    embedder = OpenAIEmbeddings(
        base_url=f"{address}/v1",
        api_key=own,
        model="assistant",
        check_embedding_ctx_length=False,
        model_kwargs=asked,
    )
    return {"vectors": embedder.embed_documents(texts)}


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
        "reasoning": "langchain-openai hears no reasoning of chat completions",
        "reasoning, streamed": "langchain-openai hears no reasoning of chat completions",
        "models": "langchain-openai lists no models",
        "a count of tokens": "langchain-openai counts by OpenAI's own tokenizer",
    },
)
