"""A scriptable engine: a real HTTP server with vLLM's shapes, which remembers who asked and who left."""

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.serving import Serving, serving

BASE = "base"
TEXT = "/v1/completions"
EMBEDDINGS = "/v1/embeddings"
TOKENIZE = "/tokenize"


class CutShort(Exception):
    """Makes the server hang up in the middle."""


@dataclass
class Script:
    """What the engine does with the next chat completions; lengths in characters, times in seconds."""

    texts: tuple[str, ...] = ("Hello there.",)  # one per choice, from the start again when there are more
    messages: tuple[dict[str, Any], ...] = ()  # whole messages instead of texts
    # Instead, in conversations that hold answers already: the text after the first of them, after the second …
    afterwards: tuple[str, ...] = ()
    echoes: str = ""  # what in texts and messages stands for what the user said last
    finish_reason: str = "stop"
    before_answer: float = 0.0
    between_chunks: float = 0.0
    chunk_length: int = 4
    refuse: tuple[int, dict[str, Any]] | None = None
    refuse_from: int = 0  # requests that are answered before
    refuse_afterwards: bool = False  # only conversations that hold answers already
    raw: bytes | None = None  # instead of a completion
    frames: tuple[bytes, ...] | None = None  # instead of a stream's frames
    cut_after: int | None = None  # frames
    cut_seed: int | None = None  # None: any; else only streams of this seed are cut
    stall_after: int | None = None  # frames


@dataclass
class Asked:
    """One chat completion that was asked for, and what became of it."""

    body: dict[str, Any]
    headers: dict[str, str]
    path: str = "/v1/chat/completions"
    state: str = "open"  # open, answered, left


@dataclass
class FakeEngine:
    """An ASGI app; `script` may be replaced between requests."""

    script: Script = field(default_factory=Script)
    scripts: dict[str, Script] = field(default_factory=dict)  # instead, by what the user said first
    by_model: dict[str, Script] = field(default_factory=dict)  # instead of both
    requests: list[Asked] = field(default_factory=list)
    adapters: dict[str, str] = field(default_factory=dict)
    healthy: bool = True
    models: tuple[str, ...] = (BASE,)
    loads_adapters: bool = True  # as vLLM does only when runtime LoRA is allowed
    gives_n: bool = True  # False: one choice, however many are asked for
    held: bool = False  # whoever asks waits until this is over
    refuse_adapters: str | None = None  # why, as vLLM tells of a rank that is too large

    def says(self, *texts: str, **how: Any) -> None:
        """Script the next answers, and forget the earlier requests."""
        self.script = Script(texts=texts or ("Hello there.",), **how)
        self.requests.clear()

    @property
    def asked(self) -> Asked:
        """The latest request."""
        return self.requests[-1]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, leaving = await taken(receive)
        try:
            await self._answer(scope, body, leaving, Sender(send))
        finally:
            leaving.cancel()

    async def _answer(self, scope: Any, raw: bytes, leaving: "asyncio.Task[None]", sender: "Sender") -> None:
        path = scope["path"]
        if path == "/health":
            await sender.whole(200 if self.healthy else 503, b"")
        elif path == "/v1/models":
            names = [*self.models, *self.adapters]
            await sender.json(200, {"object": "list", "data": [{"id": name} for name in names]})
        elif path == "/v1/load_lora_adapter" and not self.loads_adapters:
            await sender.error(404, "Not Found", "NotFoundError")
        elif path == "/v1/load_lora_adapter" and scope["method"] != "POST":
            await sender.error(405, "Method Not Allowed", "MethodNotAllowed")
        elif path == "/v1/load_lora_adapter":
            await self._load(json.loads(raw), sender)
        elif path == "/v1/unload_lora_adapter":
            known = self.adapters.pop(json.loads(raw)["lora_name"], None)
            await sender.whole(
                200 if known else 404, b"Success" if known else b'{"error":{"message":"unknown"}}'
            )
        else:
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            await self._complete(Asked(json.loads(raw), headers, path), leaving, sender)

    async def _load(self, body: dict[str, Any], sender: "Sender") -> None:
        name, path = body["lora_name"], body["lora_path"]
        if self.refuse_adapters:
            await sender.error(500, self.refuse_adapters, "InternalServerError")
        elif name in self.adapters:
            await sender.error(400, f"The lora adapter '{name}' has already been loaded.")
        elif not (Path(path) / "adapter_config.json").is_file():
            await sender.error(404, f"Loading lora {name} failed: No adapter found for {path}")
        else:
            self.adapters[name] = path
            await sender.whole(200, f"Success: LoRA adapter '{name}' added successfully.".encode())

    async def _complete(self, asked: Asked, leaving: "asyncio.Task[None]", sender: "Sender") -> None:
        self.requests.append(asked)
        script = self.scripts.get(first_words(asked.body), self.script)
        script = self.by_model.get(str(asked.body["model"]), script)
        script = echoing(script, asked.body)
        told = asked if self.gives_n else replace(asked, body={**asked.body, "n": 1})
        try:
            await pause(script.before_answer, leaving)
            while self.held:
                await pause(0.005, leaving)
            refuses = len(self.requests) > script.refuse_from
            if script.refuse and refuses and (answers_in(asked.body) or not script.refuse_afterwards):
                await sender.json(*script.refuse)
            elif asked.body["model"] not in (*self.models, *self.adapters):
                await sender.error(404, f"The model `{asked.body['model']}` does not exist.", "NotFoundError")
            elif asked.body.get("stream"):
                await self._stream(told, script, leaving, sender)
            else:
                await sender.whole(200, script.raw or json.dumps(whole_answer(told, script)).encode())
            asked.state = "answered"
        except ClientLeft:
            asked.state = "left"

    async def _stream(
        self, asked: Asked, script: Script, leaving: "asyncio.Task[None]", sender: "Sender"
    ) -> None:
        frames = script.frames if script.frames is not None else tuple(frames_of(asked.body, script))
        if asked.path == TEXT:
            frames = tuple(map(frame_as_text, frames))
        cut_after = script.cut_after if script.cut_seed in (None, asked.body.get("seed")) else None
        await sender.start(200, "text/event-stream")
        for number, frame in enumerate(frames):
            if number == cut_after:
                raise CutShort
            if number == script.stall_after:
                await pause(3600, leaving)
            await sender.piece(frame)
            await pause(script.between_chunks, leaving)
        if cut_after == len(frames):
            raise CutShort
        await sender.end()


def echoing(script: Script, body: dict[str, Any]) -> Script:
    """The script with what the user said last in its place."""
    if not script.echoes:
        return script
    heard = str(body["messages"][-1]["content"] if "messages" in body else body["prompt"])
    texts = tuple(text.replace(script.echoes, heard) for text in script.texts)
    written = json.dumps(script.messages).replace(script.echoes, json.dumps(heard)[1:-1])
    return replace(script, texts=texts, messages=tuple(json.loads(written)))


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


async def pause(seconds: float, leaving: "asyncio.Task[None]") -> None:
    """Let time pass; raises ClientLeft as soon as the client has."""
    if seconds:
        await asyncio.wait({leaving}, timeout=seconds)
    if leaving.done():
        raise ClientLeft


async def taken(receive: Any) -> "tuple[bytes, asyncio.Task[None]]":
    """The request's body, and a task that ends when the client leaves."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)

    async def leave() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return body, asyncio.create_task(leave())


@dataclass
class Sender:
    """ASGI's `send`, in whole sentences."""

    send: Any

    async def start(self, status: int, kind: str) -> None:
        await self.send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]}
        )

    async def piece(self, body: bytes) -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        await self.send({"type": "http.response.body", "body": b""})

    async def whole(self, status: int, body: bytes) -> None:
        await self.start(status, "application/json")
        await self.send({"type": "http.response.body", "body": body})

    async def json(self, status: int, body: dict[str, Any]) -> None:
        await self.whole(status, json.dumps(body).encode())

    async def error(self, status: int, message: str, kind: str = "BadRequestError") -> None:
        await self.json(status, {"error": {"message": message, "type": kind, "param": None, "code": status}})


def first_words(body: dict[str, Any]) -> str:
    """What a conversation begins with; nothing where there is none, or it begins with no plain text."""
    first = next(iter(body.get("messages") or ()), {}).get("content")
    return first if isinstance(first, str) else ""


def answers_in(body: dict[str, Any]) -> int:
    """How many answers a conversation holds."""
    return sum(message.get("role") == "assistant" for message in body.get("messages") or ())


def messages_of(body: dict[str, Any], script: Script) -> list[dict[str, Any]]:
    """The n messages that the script says; of a seed's number on, as a model says something else with each seed."""
    answers = answers_in(body)
    texts = script.afterwards[answers - 1 : answers] if answers and script.afterwards else script.texts
    said = script.messages or tuple({"role": "assistant", "content": text} for text in texts)
    seed = body.get("seed")
    first = seed if isinstance(seed, int) else 0
    return [said[(first + index) % len(said)] for index in range(body.get("n") or 1)]


def whole_answer(asked: Asked, script: Script) -> dict[str, Any]:
    """What the route that was asked answers."""
    if asked.path == EMBEDDINGS:
        return embeddings(asked.body)
    if asked.path == TOKENIZE:
        count = 3 * len(asked.body["messages"])
        return {"count": count, "max_model_len": 64, "tokens": list(range(count)), "token_strs": None}
    whole = completion(asked.body, script)
    return as_text(whole, "message") if asked.path == TEXT else whole


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """One vector for each text, which tells its length and its place."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = [
        {"object": "embedding", "index": place, "embedding": vector(body, len(text), place)}
        for place, text in enumerate(texts)
    ]
    spent = {"prompt_tokens": 3 * len(texts), "total_tokens": 3 * len(texts)}
    return {"id": "embd-fake", "object": "list", "model": body["model"], "data": data, "usage": spent}


def vector(body: dict[str, Any], *numbers: float) -> list[float] | str:
    """The numbers as they are, or as OpenAI's base64: little-endian 32 bit floats."""
    plain = [float(number) for number in numbers]
    if body.get("encoding_format") != "base64":
        return plain
    return base64.b64encode(struct.pack(f"<{len(plain)}f", *plain)).decode()


def completion(body: dict[str, Any], script: Script) -> dict[str, Any]:
    """A whole chat completion."""
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": script.finish_reason}
        for index, message in enumerate(messages_of(body, script))
    ]
    return {**envelope("chat.completion", body), "choices": choices, "usage": usage(len(choices))}


def as_text(whole: dict[str, Any], said: str) -> dict[str, Any]:
    """A chat completion, or a chunk of one, in the shape of OpenAI's legacy completions."""
    choices = [
        {"index": choice["index"], "text": choice[said].get("content") or "", "logprobs": None}
        | {"finish_reason": choice["finish_reason"]}
        for choice in whole["choices"]
    ]
    return {**whole, "id": "cmpl-fake", "object": "text_completion", "choices": choices}


def frame_as_text(frame: bytes) -> bytes:
    """The same for a stream's frame."""
    payload = frame.removeprefix(b"data: ").strip()
    return frame if payload == b"[DONE]" else sse(as_text(json.loads(payload), "delta"))


def frames_of(body: dict[str, Any], script: Script) -> Iterator[bytes]:
    """A stream's frames: roles, the choices' texts interleaved, finishes, usage where asked, and the end."""
    messages = messages_of(body, script)
    for index in range(len(messages)):
        yield chunk(body, index, {"role": "assistant", "content": ""})
    pieces = [list(pieces_of(message, script.chunk_length)) for message in messages]
    for turn in range(max(map(len, pieces))):
        for index, own in enumerate(pieces):
            if turn < len(own):
                yield chunk(body, index, own[turn])
    for index in range(len(messages)):
        yield chunk(body, index, {}, script.finish_reason)
    if (body.get("stream_options") or {}).get("include_usage"):
        yield sse({**envelope("chat.completion.chunk", body), "choices": [], "usage": usage(len(messages))})
    yield b"data: [DONE]\n\n"


def pieces_of(message: dict[str, Any], length: int) -> Iterator[dict[str, Any]]:
    """The deltas of a message: each text part in pieces, tool calls with their arguments in pieces."""
    for name in ("reasoning", "reasoning_content", "refusal", "content"):
        text = message.get(name) or ""
        for start in range(0, len(text), length):
            yield {name: text[start : start + length]}
    for position, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        yield {"tool_calls": [{**call, "index": position, "function": {**function, "arguments": ""}}]}
        for start in range(0, len(function["arguments"]), length):
            piece = function["arguments"][start : start + length]
            yield {"tool_calls": [{"index": position, "function": {"arguments": piece}}]}


def chunk(body: dict[str, Any], index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
    """One frame of one choice."""
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return sse({**envelope("chat.completion.chunk", body), "choices": [choice]})


def envelope(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-fake", "object": kind, "created": 1767225600, "model": body.get("model")}


def usage(choices: int) -> dict[str, int]:
    return {"prompt_tokens": 7, "completion_tokens": 5 * choices, "total_tokens": 7 + 5 * choices}


def sse(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


@contextmanager
def fake_engine() -> Iterator[tuple[FakeEngine, Serving]]:
    """A fake engine on a port of its own."""
    engine = FakeEngine()
    with serving(engine) as server:
        yield engine, server


async def drained(batches: AsyncIterator[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """All of a stream's chunks."""
    return [chunk async for batch in batches for chunk in batch]
