"""Bodies near the valid ones: a sound request in which something was replaced, left out, said twice or nested."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

HI = [{"role": "user", "content": "hi"}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}
SCHEMA = {"type": "object", "properties": {"at": {"type": "string", "description": "where"}}}
FUNCTION = {"name": "look", "description": "looks", "parameters": SCHEMA, "strict": True}
SAMPLING = {"temperature": 0.5, "top_p": 0.9, "seed": 7, "user": "somebody", "metadata": {"a": "b"}}
ALIGNMENT = {"strategy": "best_of_n", "n": 2, "deadline_ms": 5000, "explain": True}
CHAT = {
    "model": "assistant",
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "look"}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
        *HI,
    ],
    "n": 2,
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_tokens": 16,
    "stop": ["\n"],
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 2,
    "tools": [{"type": "function", "function": FUNCTION}],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}},
    **SAMPLING,
}
COMPLETION = {"model": "assistant", "prompt": "hi", "n": 2, "stream": True, "logprobs": 2, "echo": False}
COMPLETION |= {"max_tokens": 16, "suffix": "!", "stop": "\n", "stream_options": {}, **SAMPLING}
RESPONSE = {
    "model": "assistant",
    "instructions": "be brief",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "look"}]},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "hm"}],
        },
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "seen"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "so"}]},
    ],
    "previous_response_id": None,
    "store": True,
    "stream": True,
    "include": ["message.output_text.logprobs"],
    "tools": [{"type": "function", **FUNCTION}],
    "tool_choice": {"type": "function", "name": "look"},
    "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "low"},
    "max_output_tokens": 16,
    "truncation": "disabled",
    **SAMPLING,
}
MESSAGE = {
    "model": "assistant",
    "max_tokens": 16,
    "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "look"}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "x"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "seen"}]},
    ],
    "stream": True,
    "stop_sequences": ["\n"],
    "tools": [{"name": "look", "description": "looks", "input_schema": SCHEMA}],
    "tool_choice": {"type": "tool", "name": "look"},
    "thinking": {"type": "enabled", "budget_tokens": 16},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
    "metadata": {"user_id": "somebody"},
}
EMBEDDING = {
    "model": "assistant",
    "input": ["hi", "there"],
    "encoding_format": "float",
    "dimensions": 2,
    "user": "x",
}
MODERATION = {"model": "omni-moderation-latest", "input": [{"type": "text", "text": "hi"}]}
PICTURE = {"model": "assistant", "messages": [{"role": "user", "content": [IMAGE]}]}
PLAIN = {"model": "assistant", "messages": HI, "alignment": ALIGNMENT}

SOUND: dict[str, tuple[dict[str, Any], ...]] = {
    "/v1/chat/completions": (CHAT, PLAIN, PICTURE, {**CHAT, "stream": False}),
    "/v1/completions": (COMPLETION, {**COMPLETION, "stream": False, "alignment": ALIGNMENT}),
    "/v1/responses": (RESPONSE, {"model": "assistant", "input": "hi", "alignment": ALIGNMENT}),
    "/v1/messages": (MESSAGE, {**MESSAGE, "stream": False, "alignment": ALIGNMENT}),
    "/v1/messages/count_tokens": (
        {name: MESSAGE[name] for name in ("model", "system", "messages", "tools")},
    ),
    "/v1/embeddings": (EMBEDDING, {"model": "assistant", "input": "hi", "alignment": {"explain": True}}),
    "/v1/moderations": (MODERATION, {"input": ["hi", "there"]}),
}


@dataclass(frozen=True)
class Literal:
    """Text that stands in the JSON as it is, whether it is JSON or not."""

    text: str


def nested(levels: int, holder: str = "[]") -> Literal:
    """Lists in lists, or objects in objects."""
    opened, closed = ("[", "]") if holder == "[]" else ('{"a":', "}")
    return Literal(opened * levels + "1" + closed * levels)


ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        0.5,
        "",
        "x",
        [],
        {},
        [None],
        [[]],
        {"": None},
        ["x", 1],
        {"a": {"b": []}},
    ),
    *(Literal("NaN"), Literal("Infinity"), Literal("-0"), Literal("1e400"), Literal("1e-400"), Literal("01")),
    *(Literal(text) for text in ("18446744073709551615", "9223372036854775808", "-9223372036854775809")),
    *(Literal("1" * 400), Literal("1" * 30), Literal("1.0"), Literal('"\\ud800"'), Literal('"\\udc00x"')),
    *(Literal('"\\u0000"'), Literal('{"a":1,"a":"b"}'), Literal('{"type":"text","type":"image_url"}')),
    *(nested(70), nested(70, "{}"), nested(140), nested(300), nested(300, "{}"), nested(1100)),
    *(
        "\r\n",
        "a\r\nset-cookie: x",
        "\x00",
        "\u2028",
        "\ufeff",
        "🙂",
        "refuse",
        "x" * 3000,
        "a" * 600,
        "../..",
        "%00",
    ),
    *(
        "base",
        "assistant",
        "text",
        "function",
        "user",
        "data:;base64,",
        "http://169.254.169.254/",
        "auto",
        "null",
    ),
    *(
        HI,
        HI * 30,
        IMAGE,
        CALL,
        SCHEMA,
        {"type": "text", "text": "hi"},
        {"role": "user"},
        {"type": "file", "file": {}},
    ),
    *(
        {"type": "function"},
        {"type": "item_reference", "id": "x"},
        {"type": "json_schema"},
        {"type": "base64"},
    ),
)
NAMES = (
    "n",
    "stream",
    "messages",
    "input",
    "prompt",
    "alignment",
    "user",
    "type",
    "content",
    "role",
    "name",
    "index",
)
NAMES += (
    "tools",
    "tool_calls",
    "function_call",
    "id",
    "text",
    "seed",
    "previous_response_id",
    "max_tokens",
    "audio",
)
NAMES += (
    "functions",
    "response_format",
    "max_completion_tokens",
    "kv_transfer_params",
    "reasoning",
    "refusal",
    "\x00",
)
CHARACTERS = (
    0,
    9,
    10,
    13,
    32,
    34,
    44,
    58,
    92,
    97,
    127,
    0xA0,
    0x2028,
    0xD7FF,
    0xFEFF,
    0xFFFF,
    0x1F600,
    0x10FFFF,
)
HOW = ("replace", "replace", "drop", "twice", "add", "wrap", "again")


def near(sound: Sequence[dict[str, Any]], random: Random) -> bytes:
    """One to three changes to a sound body, as it goes over the wire."""
    body: Any = random.choice(sound)
    for _ in range(random.randint(1, 3)):
        path = random.choice(list(paths_in(body)))
        body = changed(body, path, random.choice(HOW), value(random), random.choice(NAMES))
    return written(body).encode("utf-8", "surrogatepass")


def value(random: Random) -> Any:
    """Something odd, alone or in company."""
    odd = random.choice(ODD)
    match random.randrange(8):
        case 0:
            return [odd, random.choice(ODD)]
        case 1:
            return {random.choice(NAMES): odd, random.choice(NAMES): random.choice(ODD)}
        case 2:
            return "".join(chr(random.choice(CHARACTERS)) for _ in range(random.randrange(6)))
    return odd


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a body, but for the body itself."""
    steps = enumerate(value) if isinstance(value, list | Pairs) else ()
    if isinstance(value, dict):
        steps = value.items()
    for step, each in steps:
        yield (*path, step)
        yield from paths_in(each[1] if isinstance(value, Pairs) else each, (*path, step))
    if not path:
        yield ()


class Pairs(list[tuple[str, Any]]):
    """An object that may say a name twice."""


def changed(holder: Any, path: tuple[Any, ...], how: str, value: Any, name: str) -> Any:
    """A copy in which what stands at a path was changed."""
    if not path:
        return value
    step, *rest = path
    pairs = Pairs(holder.items()) if isinstance(holder, dict) else holder
    copy = type(pairs)(pairs)
    key, old = copy[step_of(copy, step)] if isinstance(copy, Pairs) else (None, copy[step])
    place = step_of(copy, step) if isinstance(copy, Pairs) else step
    put = (lambda new: (key, new)) if isinstance(copy, Pairs) else (lambda new: new)
    if rest:
        copy[place] = put(changed(old, tuple(rest), how, value, name))
    elif how == "drop":
        del copy[place]
    elif how in ("twice", "again"):
        copy.insert(place + (how == "again"), put(value if how == "twice" else old))
    elif how == "add":
        copy.append((name, value) if isinstance(copy, Pairs) else value)
    else:
        copy[place] = put([old] if how == "wrap" else value)
    return copy


def step_of(pairs: Pairs, step: Any) -> int:
    """Where a name stands among pairs."""
    return (
        step
        if isinstance(step, int)
        else next(place for place, (name, _) in enumerate(pairs) if name == step)
    )


def written(value: Any) -> str:
    """JSON, or nearly."""
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, dict):
        value = Pairs(value.items())
    if isinstance(value, Pairs):
        return "{{{}}}".format(",".join(f"{json.dumps(name)}:{written(each)}" for name, each in value))
    if isinstance(value, list | tuple):
        return "[{}]".format(",".join(map(written, value)))
    return json.dumps(value, ensure_ascii=False)
