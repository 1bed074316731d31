"""Parts of a message that no guard reads: pictures, sounds, films, files. What of them is text is read all the same.

Nothing here fetches anything. Engines may: so a part's address must be a data: URL, unless the operator allows others.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from gateway.errors import BadRequest
from gateway.exchange import Candidate, Message
from gateway.stray import KNOWN_WORDS, Path, Stray, stray_texts
from guards.screen import NOTHING
from guards.verdict import Screening

Json = Mapping[str, Any]
Urls = Literal["data", "any"]

KIND_OF_PART = {
    "image_url": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "video_url": "video",
    "file": "file",
}
# Where such a part has its data, or the address of it; a file may be named by its id instead.
DATA_OF_PART = {
    "image_url": "url",
    "input_audio": "data",
    "audio_url": "url",
    "video_url": "url",
    "file": "file_data",
}
LONGEST_SCHEME = 32  # characters, of an address' beginning
# Of an assistant's message that speaks or draws, as OpenAI and OpenRouter have it.
FIELDS = ("audio", "images")


def unread_in(messages: Sequence[Json], urls: Urls) -> Mapping[str, int]:
    """The parts of a request's messages that no guard reads, by kind; raises BadRequest for an address."""
    found: dict[str, int] = {}
    for index, message in enumerate(messages):
        for position, part in enumerate(_listed(message.get("content"))):
            if kind := kind_of(part):
                found[kind] = found.get(kind, 0) + 1
                _check_address(part, urls, f"messages.{index}.content.{position}.{part['type']}")
    return found


def unread_in_reply(message: Json) -> Mapping[str, int]:
    """The parts of an assistant's message that no guard reads, by kind."""
    if not (message.get("audio") or message.get("images") or isinstance(message.get("content"), list)):
        return NOTHING
    parts = [*_listed(message.get("images")), *_listed(message.get("content"))]
    found = Counter(kind for kind in map(kind_of, parts) if kind)
    found["audio"] += bool(message.get("audio"))
    return +found or NOTHING


def kind_of(part: Any) -> str | None:
    """What such a part is; None for one that is text."""
    return KIND_OF_PART.get(str(part.get("type"))) if isinstance(part, Mapping) else None


def texts_of(part: Json, path: Path) -> Iterator[Stray]:
    """Every text in such a part but its data; raises BadRequest where the part is none of its kind."""
    kind = part["type"]
    inner, place = part.get(kind), ".".join(map(str, (*path, kind)))
    if not isinstance(inner, Mapping):
        raise BadRequest(f"a part of type {kind} needs an object of that name", param=place)
    field = DATA_OF_PART[kind]
    yield from stray_texts({name: part[name] for name in part if name not in ("type", kind)}, path)
    yield from stray_texts({name: inner[name] for name in inner if name != field}, (*path, kind))
    data = inner.get(field)
    if isinstance(data, str) and data:
        if text := text_of_data(data, field, place):
            yield Stray((*path, kind, field), text, fixed=True)
    elif data or not (kind == "file" and inner.get("file_id")):
        raise BadRequest(f"a part of type {kind} needs its {field}", param=f"{place}.{field}")


def joined(deltas: Sequence[Json]) -> dict[str, Any]:
    """What a stream speaks and draws in pieces, put together as fields of a message."""
    whole: dict[str, Any] = {}
    for delta in deltas:
        if delta.get("images"):
            whole.setdefault("images", []).extend(delta["images"])
        for name, value in (delta.get("audio") or {}).items():
            spoken = whole.setdefault("audio", {})
            goes_on = name in ("data", "transcript") and isinstance(value, str)
            spoken[name] = spoken.get(name, "") + value if goes_on else value
    return whole


def texts_of_reply(message: Json) -> Iterator[tuple[str, Stray]]:
    """What is text in a message that speaks or draws, each with the part that it is; raises BadRequest."""
    if audio := message.get("audio"):
        if not isinstance(audio, Mapping) or not isinstance(audio.get("data"), str | None):
            raise BadRequest("audio must be an object, and its data base64", param="audio")
        for name, value in audio.items():
            if name != "data":
                part = "transcript" if name == "transcript" else "media"
                yield from ((part, each) for each in stray_texts(value, ("audio", name)))
    images = message.get("images") or []
    for index, image in enumerate(images if isinstance(images, list) else [images]):
        if not kind_of(image):
            raise BadRequest("images must be parts", param=f"images.{index}")
        yield from (("media", each) for each in texts_of(image, ("images", index)))


def text_of_data(data: str, field: str, place: str) -> str:
    """What can be read of it: an address, or an odd media type; raises BadRequest for a URL of plain text."""
    if is_address(data, field):
        return data
    head = _head(data)
    if head and not head.lower().endswith(";base64,"):
        raise BadRequest("a data: URL must hold base64: send text as text", param=f"{place}.{field}")
    media_type = head[5:-8]
    return "" if media_type in KNOWN_WORDS else media_type


def is_address(data: str, field: str) -> bool:
    """Whether it is no data but says where they are; base64 has no colon."""
    return not _head(data) and (field == "url" or ":" in data[:LONGEST_SCHEME])


def recorded(messages: Sequence[Message], screening: Screening | None) -> tuple[Message, ...]:
    """The messages as the ledger keeps them: in place of a part's data its size and its SHA-256."""
    if screening is not None and not screening.unscanned:
        return tuple(messages)
    return tuple(_without_data(message) for message in messages)


def recorded_candidate(candidate: Candidate) -> Candidate:
    """The same for a candidate."""
    if not unread_in_reply(candidate.message):
        return candidate
    return replace(candidate, message=_without_data(candidate.message))


def digest(data: str) -> str:
    """What stands for some data in the ledger: its media type where it tells it, its size and its SHA-256."""
    head = _head(data)
    try:
        raw = base64.b64decode(data[len(head) :], validate=True)
    except ValueError:  # of what is no base64, or not even ASCII
        raw = data[len(head) :].encode(errors="surrogatepass")
    return f"{head}[{len(raw)} bytes, SHA-256 {hashlib.sha256(raw).hexdigest()}]"


def _head(data: str) -> str:
    """A data: URL up to its data; nothing where it is none."""
    return data[: data.find(",") + 1] if data[:5].lower() == "data:" else ""


def _check_address(part: Json, urls: Urls, place: str) -> None:
    inner, field = part.get(part["type"]), DATA_OF_PART[part["type"]]
    data = inner.get(field) if isinstance(inner, Mapping) else None
    if not isinstance(data, str) or not is_address(data, field):
        return
    if urls == "data":
        raise BadRequest("only data: URLs are taken here: send the data itself", param=f"{place}.{field}")
    if not data.lower().startswith(("http://", "https://")):
        raise BadRequest("an address must be a data:, http: or https: URL", param=f"{place}.{field}")


def _listed(content: Any) -> Sequence[Any]:
    return content if isinstance(content, list) else ()


def _without_data(message: Message) -> Message:
    """A copy in which each part's data is digested; all else is shared with the message."""
    changed = dict(message)
    for name in ("content", "images"):
        if isinstance(changed.get(name), list):
            changed[name] = [_digested(part) if kind_of(part) else part for part in changed[name]]
    audio = changed.get("audio")
    if isinstance(audio, Mapping) and isinstance(audio.get("data"), str):
        changed["audio"] = {**audio, "data": digest(audio["data"])}
    return changed


def _digested(part: Json) -> Json:
    field, inner = DATA_OF_PART[part["type"]], part.get(part["type"])
    if not isinstance(inner, Mapping):
        return part
    data = inner.get(field)
    if not isinstance(data, str) or is_address(data, field):
        return part
    return {**part, part["type"]: {**inner, field: digest(data)}}
