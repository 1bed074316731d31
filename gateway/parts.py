"""The texts in a request and in a reply: taken out to be screened, put back as they may be delivered.

Whatever carries text and is not known here is refused: what no guard reads is neither asked nor delivered.

    Unscannable     the engine's reply carries something that no guard reads
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NoReturn

from gateway import media
from gateway.errors import BadRequest
from gateway.stray import stray_texts
from gateway.textless import textless
from gateway.turns import Earlier, ages
from guards.verdict import Context, Segment, Where

Path = tuple[str | int, ...]
Json = Mapping[str, Any]

PART_OF_ROLE = {
    "system": "system",
    "developer": "system",
    "tool": "tool_result",
    "function": "tool_result",
    "assistant": "assistant",
}
PART_OF_FIELD = {
    "content": "content",
    "reasoning": "reasoning",
    "reasoning_content": "reasoning",
    "refusal": "refusal",
}
# Of a reply's message, what is read in its own way; any other field must hold no text at all.
APART = frozenset({"role", "tool_calls", "function_call", *media.FIELDS})
LABELS = frozenset({"finish_reason", "stop_reason", "matched_stop", "native_finish_reason"})
OF_FUNCTION = frozenset({"name", "arguments", "input"})
MANY_TEXTS = 1_000_000  # more than any request has that was let in
# Kinds of content parts that guards read, and where each has its text.
TEXT_OF_PIECE = {"text": "text", "input_text": "text", "refusal": "refusal"}
BESIDE_TEXT = ("cache_control", "annotations")
OF_CALL = frozenset({"id", "type", "index", "function", "custom"})
# Of a request's message, what is read in its own way; every other field is read for whatever text it holds.
OF_MESSAGE = frozenset({"role", "content", "tool_calls", "function_call", *PART_OF_FIELD})
ROLES = frozenset({"user", *PART_OF_ROLE})
# Of a request, what no engine shows to a model; any other field may be turned into a part of the prompt.
UNSEEN = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "stop", "user", "metadata", "store", "logit_bias"),
        *("safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier", "modalities"),
        *("audio", "bad_words", "vllm_xargs", "request_id", "cache_salt", "kv_transfer_params"),
        "encoding_format",
    }
)


class Unscannable(Exception):
    """The engine's reply carries something that no guard reads."""


@dataclass(frozen=True, slots=True)
class Part:
    """A segment, and where its text stands in the body or message that it was taken from."""

    path: Path
    segment: Segment
    fixed: bool = False  # made of names, which cannot be replaced


def of_prompt(body: Json, most: int = MANY_TEXTS) -> list[Part]:
    """Every text of a request that a model may see, the messages' first; raises BadRequest."""
    parts = list(islice(_of_request(body), most + 1))
    if len(parts) > most:
        raise BadRequest(f"a request may have at most {most} texts", param=_dotted(parts[-1].path))
    return parts


def _of_request(body: Json) -> Iterator[Part]:
    earlier, messages = Earlier(), body["messages"]
    for index, (message, age) in enumerate(zip(messages, ages(messages), strict=True)):
        for found in _of_message(message, ("messages", index)):
            placed = earlier.placed(found.segment, age)
            yield found if placed is found.segment else replace(found, segment=placed)
    for name, value in body.items():
        if name not in UNSEEN:
            part = "tool_definition" if name in ("tools", "functions") else "parameter"
            for path, each in _apart(name, value):
                yield from _strays(each, path, "prompt", part)


def _apart(name: str, value: Any) -> Iterator[tuple[Path, Any]]:
    """A field as it is, or if it is a list each of its items: one tool has nothing to do with the next."""
    if isinstance(value, list):
        yield from (((name, index), each) for index, each in enumerate(value))
    else:
        yield (name,), value


def _of_message(message: Json, path: Path) -> Iterator[Part]:
    role = message["role"]
    part = PART_OF_ROLE.get(role, "content")
    if role not in ROLES:  # some templates write any role into the prompt
        yield Part((*path, "role"), Segment(role, "prompt", part))
    yield from _of_content(message.get("content"), (*path, "content"), part)
    yield from _of_calls(message, path, "prompt")
    yield from _texts(message, ("reasoning", "reasoning_content", "refusal"), path, "prompt")
    if rest := {name: value for name, value in message.items() if value and name not in OF_MESSAGE}:
        yield from _strays(rest, path, "prompt", part)


def _strays(value: Any, path: Path, where: Where, part: str) -> Iterator[Part]:
    for stray in stray_texts(value, path):
        yield Part(stray.path, Segment(stray.text, where, part), stray.fixed)


def of_reply(message: Json) -> list[Part]:
    """Every text of an assistant's message; raises Unscannable."""
    for name, value in message.items():
        if value and name not in PART_OF_FIELD and name not in APART and not textless(value):
            raise Unscannable(f"message.{name}")
    found = [*_texts(message, PART_OF_FIELD, (), "reply"), *_of_calls(message, (), "reply")]
    if message.get("audio") or message.get("images"):
        found += _of_media(message)
    return found


def _of_media(message: Json) -> list[Part]:
    try:
        return [
            Part(each.path, Segment(each.text, "reply", part), each.fixed)
            for part, each in media.texts_of_reply(message)
        ]
    except BadRequest as error:
        raise Unscannable("message, in what it speaks or draws") from error


def check_choice(choice: Any) -> None:
    """Raise Unscannable for a choice that says something outside of its message."""
    if not isinstance(choice, dict):
        raise Unscannable("choice")
    for name, value in choice.items():
        if name not in LABELS and isinstance(value, str) and value:
            raise Unscannable(f"choice.{name}")


def put_back(whole: Json, parts: Sequence[Part], safe: Sequence[Segment]) -> Json:
    """The same body or message with each part's text as it may go on.

    Raises BadRequest, or for a reply Unscannable, where none can take its place.
    """
    for part, segment in zip(parts, safe, strict=True):
        if segment.text == part.segment.text:
            continue
        if part.fixed:
            _refuse(
                part.path,
                segment.where,
                "the guard policy redacts something here that cannot be replaced; use another",
            )
        whole = _with(whole, part.path, segment.text)
    return whole


def _with(holder: Any, path: Path, text: str) -> Any:
    """A copy with one text replaced; what lies beside the path is shared with the original."""
    copy = dict(holder) if isinstance(holder, Mapping) else list(holder)
    step, rest = path[0], path[1:]
    copy[step] = _with(copy[step], rest, text) if rest else text  # type: ignore[index]
    return copy


def turns(body: Json) -> Context:
    """The conversation as guards see it beside a segment."""
    said = tuple((str(message["role"]), text_of(message.get("content"))) for message in body["messages"])
    return Context(said, frozenset(_offered(body)))


def _offered(body: Json) -> Iterator[str]:
    """The names of the tools that a request lets the model call."""
    for name in ("tools", "functions"):
        listed = body.get(name)
        for each in listed if isinstance(listed, list) else ():
            told = each if isinstance(each, dict) else {}
            for tool in (told, told.get("function"), told.get("custom")):
                if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                    yield tool["name"]


def text_of(content: Any) -> str:
    """A content's text, whether it came as a string or as parts."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part["text"]) for part in content or () if "text" in part)


def _of_content(content: Any, path: Path, part: str) -> Iterator[Part]:
    if isinstance(content, str):
        if content:
            yield Part(path, Segment(content, "prompt", part))
    elif isinstance(content, list):
        for index, piece in enumerate(content):
            yield from _of_piece(piece, (*path, index), part)
    elif content is not None:
        raise BadRequest("content must be a string or a list of parts", param=_dotted(path))


def _of_piece(piece: Any, path: Path, part: str) -> Iterator[Part]:
    kind = piece.get("type") if isinstance(piece, dict) else type(piece).__name__
    if str(kind) in media.KIND_OF_PART:
        for stray in media.texts_of(piece, path):
            yield Part(stray.path, Segment(stray.text, "prompt", part), stray.fixed)
        return
    field = TEXT_OF_PIECE.get(str(kind))
    if field is None:
        raise BadRequest(
            f"there is no part of type {str(kind)[:40]!r}; send text, or {', '.join(media.KIND_OF_PART)}",
            param=_dotted((*path, "type")),
            code="unsupported_content",
        )
    if not isinstance(piece.get(field), str):
        raise BadRequest("a text part needs its text", param=_dotted((*path, field)))
    yield Part((*path, field), Segment(piece[field], "prompt", part))
    for name in piece:
        if name not in ("type", field, *BESIDE_TEXT):  # engines look for media beside a text as well
            told = f"a text part has no {str(name)[:40]!r}"
            raise BadRequest(told, param=_dotted((*path, name)), code="unsupported_content")
    yield from _strays({name: piece[name] for name in BESIDE_TEXT if name in piece}, path, "prompt", part)


def _texts(message: Json, fields: Any, path: Path, where: Where) -> list[Part]:
    found = []
    for field in fields:
        if text := message.get(field):
            if isinstance(text, str):
                found.append(Part((*path, field), Segment(text, where, PART_OF_FIELD[field])))
            elif field == "content" and isinstance(text, list):
                found += _of_reply_content(text)
            else:
                _refuse((*path, field), where)
    return found


def _of_reply_content(content: list[Any]) -> Iterator[Part]:
    """The texts of a reply that comes in parts, as a prompt may."""
    try:
        for found in _of_content(content, ("content",), "content"):
            yield replace(found, segment=replace(found.segment, where="reply"))
    except BadRequest as error:
        raise Unscannable("message.content") from error


def _of_calls(message: Json, path: Path, where: Where) -> Iterator[Part]:
    if legacy := message.get("function_call"):
        yield from _of_function(legacy, (*path, "function_call"), where)
    calls = message.get("tool_calls") or ()
    if not isinstance(calls, list | tuple):
        _refuse((*path, "tool_calls"), where)
    for index, call in enumerate(calls):
        place = (*path, "tool_calls", index)
        if not isinstance(call, dict) or not all(
            key in OF_CALL or textless(value) for key, value in call.items()
        ):
            _refuse(place, where)
        # Some parsers take a call's id from what the model said.
        named = {name: call[name] for name in ("id", "type", "index") if name in call}
        yield from _strays(named, place, where, "tool_name")
        for kind in ("function", "custom"):
            if call.get(kind):
                yield from _of_function(call[kind], (*place, kind), where)


def _of_function(function: Any, path: Path, where: Where) -> Iterator[Part]:
    if not isinstance(function, dict):
        _refuse(path, where)
    name = function.get("name")
    called = name if isinstance(name, str) else ""
    for field, text in function.items():
        if not text:
            continue
        if field not in OF_FUNCTION or not isinstance(text, str):
            _refuse((*path, field), where)
        part = "tool_name" if field == "name" else "tool_arguments"
        yield Part((*path, field), Segment(text, where, part, called))


def _refuse(path: Path, where: Where, why: str = "no guard can read this") -> NoReturn:
    if where == "reply":
        raise Unscannable(f"message.{_dotted(path)}")
    raise BadRequest(why, param=_dotted(path), code="unsupported_content")


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))
