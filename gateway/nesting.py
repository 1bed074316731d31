"""How deep JSON may nest: orjson reads 1024 levels and writes 254, so what came in could not always go on. Pure."""

from typing import Any

DEEPEST = 128  # levels; answers, events and records wrap a few more around what they repeat


def nests_too_deeply(raw: bytes, value: Any) -> bool:
    """Whether a JSON value does, which was written like this; without that many brackets it is not looked through."""
    return raw.count(b"[") + raw.count(b"{") > DEEPEST and nests_beyond(value, DEEPEST)


def nests_beyond(value: Any, levels: int) -> bool:
    """Whether a JSON value holds lists or objects within each other for more levels."""
    holders = [value] if isinstance(value, list | dict) else []
    for _ in range(levels):
        if not holders:
            return False
        holders = [each for holder in holders for each in _within(holder) if isinstance(each, list | dict)]
    return bool(holders)


def _within(holder: Any) -> Any:
    return holder.values() if isinstance(holder, dict) else holder
