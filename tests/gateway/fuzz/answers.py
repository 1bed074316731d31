"""Answers near those of a sound engine: what they say, how it is framed, how HTTP carries it, where it is cut."""

import itertools
import json
from random import Random
from typing import Any

from tests.fakes.engine import TOKENIZE, Asked, Script, envelope, usage, whole_answer
from tests.gateway.fuzz.bodies import HOW, NAMES, changed, paths_in, value, written

Json = dict[str, Any]
LOGPROBS = {
    "content": [{"token": "Hel", "logprob": -0.1, "bytes": [72], "top_logprobs": []}],
    "refusal": None,
}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at"'}}
DELTAS: tuple[Json, ...] = (
    {"role": "assistant", "content": ""},
    {"content": "Hello "},
    {"content": "a 🙂 b\u2028c"},
    {"content": "refuse rude secret"},
    {"reasoning": "hm", "reasoning_content": "hm"},
    {"refusal": "no"},
    {"tool_calls": [CALL]},
    {"tool_calls": [{"index": 0, "function": {"arguments": ': "x"}'}}]},
    {"function_call": {"name": "look", "arguments": "{}"}},
    {"audio": {"id": "a", "data": "AAAA", "transcript": "hi"}},
    {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
    {},
)
ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\n\n", b"\n\n\n\n", b"\r\n\r", b"\n \n\n")
NOISE = (
    *(
        b": comment\n\n",
        b":\r\n\r\n",
        b"event: ping\n\n",
        b"data:\n\n",
        b"data\n\n",
        b"id: 1\nretry: 5\n\n",
        b"\n",
        b"\r",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\x00",
        b"data: \xff\xfe\n\n",
        b"data: {\n\n",
        b"data: null\n\n",
        b"data: []\n\n",
        b"data: {}\n\n",
    ),
    *(
        b'data: {"error": {"message": "x\\r\\ny", "code": 5}}\n\n',
        b'data: {"error": "x"}\n\n',
        b"data: [DONE]\n\n",
    ),
    *(
        b'event: error\ndata: {"message": "broken"}\n\n',
        b"data: [DONE] \n\n",
        b"[DONE]\n\n",
        b" data: {}\n\n",
        b"x" * 70_000,
    ),
    *(
        b'data: {"choices":\ndata: []}\n\n',
        b"data: " + b"[" * 2000 + b"\n\n",
        b'data: {"choices": [], "usage": 5}\n\n',
    ),
)
HEADS = (
    *(
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    ),
    *(
        b"HTTP/1.1 204 No Content\r\n",
        b"HTTP/1.1 304 Not Modified\r\n",
        b"HTTP/1.1 302 Found\r\nlocation: /\r\n",
    ),
    *(
        b"HTTP/1.1 400 Bad\r\n",
        b"HTTP/1.1 429 Busy\r\nretry-after: 99\r\n",
        b"HTTP/1.1 500 Oh\r\n",
        b"HTTP/1.1 999 ?\r\n",
    ),
    *(
        b"HTTP/1.1 200 OK\nx: y\n",
        b"HTTP/2 200\r\n",
        b"ICY 200 OK\r\n",
        b"\x16\x03\x01",
        b"HTTP/1.1 101 Up\r\nupgrade: x\r\n",
    ),
    *(
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n",
        b"HTTP/1.1 503 No\r\nretry-after: -1\r\n",
        b"HTTP/1.1 -1\r\n",
    ),
)
KINDS = (b"text/event-stream", b"text/event-stream; charset=utf-8", b"application/json", b"text/html", b"")


def near_answer(path: str, body: Json, random: Random) -> list[bytes]:
    """An answer to a request in pieces, the head among them; the last piece ends the connection."""
    streamed = bool(body.get("stream"))
    said = near_stream(path, body, random) if streamed else near_whole(path, body, random)
    kind = KINDS[0 if streamed else 2] if random.random() < 0.9 else random.choice(KINDS)
    head = HEADS[0] if random.random() < 0.9 else random.choice(HEADS)
    return cut(head + b"content-type: " + kind + b"\r\n" + carried(said, random), random)


def near_whole(path: str, body: Json, random: Random) -> bytes:
    """A whole answer with up to three changes."""
    whole: Any = {"count": 3} if path == TOKENIZE else whole_answer(Asked(asked_of(body), {}, path), Script())
    if random.random() < 0.5 and "choices" in whole:
        whole["choices"][0] |= {"message": message(random), "logprobs": LOGPROBS}
    return damaged(touched(whole, random), random)


def message(random: Random) -> Json:
    """All that an assistant's message may have."""
    calls = [{name: each for name, each in CALL.items() if name != "index"}]
    picked: Json = {"role": "assistant", "content": None}
    for delta in random.sample(DELTAS, 3):
        picked |= delta
    return picked | ({"tool_calls": calls} if "tool_calls" in picked else {})


def near_stream(path: str, body: Json, random: Random) -> bytes:
    """A stream of changed frames between comments and other noise."""
    pieces: list[bytes] = [random.choice(NOISE)] if random.random() < 0.2 else []
    for chunk in chunks(path, asked_of(body), random):
        payload = touched(chunk, random) if random.random() < 0.15 else json.dumps(chunk).encode()
        pieces.append(framed(payload, random))
        if random.random() < 0.1:
            pieces.append(random.choice(NOISE))
    if random.random() < 0.85:
        pieces.append(b"data: [DONE]" + random.choice(ENDS))
    return damaged(b"".join(pieces), random)


def asked_of(body: Json) -> Json:
    """The request as far as a sound engine has to understand it."""
    n = body.get("n")
    return {**body, "n": n if isinstance(n, int) and 0 < n < 17 else 1}


def chunks(path: str, body: Json, random: Random) -> list[Json]:
    """Some chunks of every choice, their ends, and the usage."""
    told: list[Json] = []
    for index in range(body["n"]):
        said = (
            [random.choice(DELTAS) for _ in range(random.randrange(5))]
            if random.random() < 0.7
            else DELTAS[:3]
        )
        told += [choice(path, body, index, delta, None, random) for delta in said]
    ends = random.choice(("stop", "stop", "length", "tool_calls", "content_filter"))
    told += [choice(path, body, index, {}, ends, random) for index in range(body["n"])]
    if random.random() < 0.7:
        told.append({**envelope("chat.completion.chunk", body), "choices": [], "usage": usage(1)})
    if random.random() < 0.1:
        random.shuffle(told)
    return told


def choice(path: str, body: Json, index: int, delta: Json, ends: str | None, random: Random) -> Json:
    """A chunk about one choice, in the shape of the route."""
    said: Json = (
        {"delta": delta} if path.endswith("/chat/completions") else {"text": delta.get("content") or ""}
    )
    logprobs = LOGPROBS if random.random() < 0.2 else None
    one = {"index": index, **said, "logprobs": logprobs, "finish_reason": ends}
    return {**envelope("chat.completion.chunk", body), "choices": [one]}


def touched(whole: Any, random: Random) -> bytes:
    """JSON with a change or two, or with none."""
    for _ in range(random.randrange(3)):
        path = random.choice(list(paths_in(whole)))
        whole = changed(whole, path, random.choice(HOW), value(random), random.choice(NAMES))
    return written(whole).encode("utf-8", "surrogatepass")


def framed(payload: bytes, random: Random) -> bytes:
    """A frame in one of the ways to put it."""
    prefix = random.choice(
        (b"data: ", b"data: ", b"data: ", b"data:", b"event: x\ndata: ", b": c\ndata: ", b"id: 1\r\ndata:")
    )
    if random.random() < 0.05 and b", " in payload:
        payload = payload.replace(b", ", b",\ndata: ", 1)
    return prefix + payload + (ENDS[0] if random.random() < 0.6 else random.choice(ENDS))


def damaged(said: bytes, random: Random) -> bytes:
    """The same, or with a byte turned, cut short, or with something strange inside."""
    place = random.randrange(len(said) + 1)
    match random.randrange(14):
        case 0:
            return said[:place]
        case 1:
            return said[:place] + bytes([random.randrange(256)]) + said[place + 1 :]
        case 2:
            return said[:place] + random.choice(NOISE) + said[place:]
    return said


def carried(said: bytes, random: Random) -> bytes:
    """The body with what tells its end: a length, right or wrong, chunks, or the connection's own end."""
    match random.randrange(12):
        case 0:
            return b"content-length: %d\r\n\r\n%b" % (len(said) + random.choice((-1, 1, 1000)), said)
        case 1:
            return b"content-length: %d\r\ntransfer-encoding: chunked\r\n\r\n%b" % (len(said), said)
        case 2:
            return b"transfer-encoding: chunked\r\n\r\n" + random.choice(
                (b"zz\r\n", b"-1\r\n", b"5\r\nabc", b"0\r\n")
            )
        case 3 | 4:
            return b"content-length: %d\r\n\r\n%b" % (len(said), said)
        case 5 | 6 | 7:
            return b"transfer-encoding: chunked\r\n\r\n" + chunked(said, random)
    return b"connection: close\r\n\r\n" + said


def chunked(said: bytes, random: Random) -> bytes:
    """HTTP's own chunks, of any length."""
    size = random.choice((1, 7, 100, 5000))
    size = max(size, len(said) // 500)
    pieces = [said[start : start + size] for start in range(0, len(said), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def cut(raw: bytes, random: Random) -> list[bytes]:
    """The bytes as they come: in one piece, in a few, or byte by byte for a while."""
    places = sorted(random.randrange(len(raw) + 1) for _ in range(random.choice((0, 1, 3, 8))))
    if random.random() < 0.1:
        start = random.randrange(len(raw))
        places = [*range(start, min(len(raw), start + 30))]
    edges = [0, *places, len(raw)]
    return [raw[begin:end] for begin, end in itertools.pairwise(edges)]
