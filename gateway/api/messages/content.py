"""The content of a streamed message: one block after the other, of which one is open at a time.

A text ends as soon as something else is said; a call when the next one begins, before which the guards have released
it to its end. What is said while a call may still go on waits until that call has ended.
"""

from collections.abc import Iterator
from typing import Any

from gateway.api.messages.said import arguments_of, call_block, text_block

Json = dict[str, Any]
Key = str | int  # a kind of text, or a call's position


class Text:
    """A block of text or of thinking."""

    def __init__(self, kind: str) -> None:
        self.key: Key = kind
        self._kind = kind
        self._unsaid = ""

    def hear(self, text: str) -> None:
        """Take in more of it."""
        self._unsaid += text

    def ends_with(self, other: Key) -> bool:
        """Whether it is over once something else is said."""
        return True

    def begun(self) -> Json:
        """The block when nothing is said of it."""
        return text_block(self._kind, "")

    def take(self, *, last: bool) -> Json | None:
        """What can be said of it now."""
        text, self._unsaid = self._unsaid, ""
        return {"type": f"{self._kind}_delta", self._kind: text} if text else None


class Call:
    """A call of a tool. Arguments that begin as a JSON object leave as they come, any others at the end, in one."""

    def __init__(self, exchange_id: str, number: int, position: int) -> None:
        self.key: Key = position
        self._exchange_id, self._number, self._position = exchange_id, number, position
        self._head: Json = {}
        self._unsaid = ""
        self._flows = False

    def hear(self, piece: Json) -> None:
        """Take in more of it; its name and id come with the first piece."""
        self._head = self._head or piece
        self._unsaid += (piece.get("function") or {}).get("arguments") or ""

    def ends_with(self, other: Key) -> bool:
        """Whether it is over once another call has begun."""
        return isinstance(other, int) and other > self._position

    def begun(self) -> Json:
        """The block without its arguments."""
        return call_block(self._exchange_id, self._number, self._head, {})

    def take(self, *, last: bool) -> Json | None:
        """What can be said of its arguments now."""
        if not self._flows and not self._unsaid.lstrip().startswith("{"):
            return self._said(arguments_of(self._unsaid)) if last else None
        self._flows = True
        return self._said(self._unsaid) if self._unsaid else None

    def _said(self, text: str) -> Json:
        self._unsaid = ""
        return {"type": "input_json_delta", "partial_json": text}


class Content:
    """All blocks of one message, as events."""

    def __init__(self, exchange_id: str) -> None:
        self._exchange_id = exchange_id
        self._blocks: list[Text | Call] = []  # the first is open, the others wait for its end
        self._open = False
        self._index = -1  # of the latest that was begun
        self.calls = 0

    def say(self, kind: str, text: str) -> Iterator[Json]:
        """More of a text of some kind."""
        block = self._known(kind)
        if not isinstance(block, Text):
            self._blocks.append(block := Text(kind))
        block.hear(text)
        yield from self._on(block)

    def call(self, piece: Json) -> Iterator[Json]:
        """More of a call."""
        position = piece.get("index") or 0
        block = self._known(position)
        if not isinstance(block, Call):
            self._blocks.append(block := Call(self._exchange_id, self.calls, position))
            self.calls += 1
        block.hear(piece)
        yield from self._on(block)

    def end(self) -> Iterator[Json]:
        """All that is left, to the end of the last block."""
        while self._blocks:
            yield from self._close()

    def break_off(self) -> Iterator[Json]:
        """Nothing more. A call that was begun is not ended: half a call must not look like one that can be made."""
        if self._open and isinstance(self._blocks[0], Text):
            yield from self._close()

    def _known(self, key: Key) -> Text | Call | None:
        return next((block for block in self._blocks if block.key == key), None)

    def _on(self, block: Text | Call) -> Iterator[Json]:
        """What can be said now that there is more of a block."""
        while self._blocks[0] is not block and self._blocks[0].ends_with(block.key):
            yield from self._close()
        yield from self._tell(last=False)

    def _close(self) -> Iterator[Json]:
        yield from self._tell(last=True)
        yield {"type": "content_block_stop", "index": self._index}
        self._blocks.pop(0)
        self._open = False

    def _tell(self, *, last: bool) -> Iterator[Json]:
        block = self._blocks[0]
        if not self._open:
            self._open = True
            self._index += 1
            yield {"type": "content_block_start", "index": self._index, "content_block": block.begun()}
        if delta := block.take(last=last):
            yield {"type": "content_block_delta", "index": self._index, "delta": delta}
