"""Content blocks of Anthropic's messages as parts of a chat completion's; what cannot go on is refused by name."""

from collections.abc import Iterator
from typing import Any

from gateway.errors import BadRequest

Json = dict[str, Any]
Content = str | list[Json]


def blocks_of(content: Any, place: str) -> Iterator[tuple[str, Json]]:
    """Each block and its place; a string is one block of text. Raises BadRequest."""
    if isinstance(content, str):
        yield place, {"type": "text", "text": content}
        return
    if not isinstance(content, list):
        raise BadRequest("content must be a string or a list of blocks", param=place)
    for index, block in enumerate(content):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise BadRequest("each block must be an object with a type", param=f"{place}.{index}")
        yield f"{place}.{index}", block


def part_of(block: Json, place: str) -> Json:
    """A text or an image as a part; raises BadRequest for any other."""
    if block["type"] == "image":
        return {"type": "image_url", "image_url": {"url": _url_of(block.get("source"), f"{place}.source")}}
    return text_part(block, place)


def text_part(block: Json, place: str) -> Json:
    """A text as a part, without cache marks and citations; raises BadRequest for any other."""
    if block["type"] != "text":
        raise BadRequest(
            f"a block of type {block['type'][:40]!r} cannot stand here; send text",
            param=f"{place}.type",
            code="unsupported_content",
        )
    return {"type": "text", "text": string_in(block, "text", place)}


def joined(parts: list[Json]) -> Content:
    """The parts as content; text alone as a string, which every chat template understands."""
    if not parts:
        return ""
    return str(parts[0]["text"]) if len(parts) == 1 and "text" in parts[0] else parts


def string_in(holder: Json, name: str, place: str) -> str:
    """A field that must be a string; raises BadRequest."""
    value = holder.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be a string", param=f"{place}.{name}")
    return value


def _url_of(source: Any, place: str) -> str:
    match source:
        case {"type": "url", "url": str(url)}:
            return url
        case {"type": "base64", "media_type": str(kind), "data": str(data)}:
            return f"data:{kind};base64,{data}"
    raise BadRequest("an image's source must be a url, or base64 with media_type and data", param=place)
