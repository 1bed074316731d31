"""One text of a stream's choice as it grows: content, reasoning, or the arguments of a tool call. Pure.

Each has its window. A text ends when the engine goes on to what comes after it (content after reasoning, a tool
call after content, the next call): then it is screened whole, and nothing of it is held back any more.
"""

from collections.abc import Sequence
from typing import Any

from gateway.parts import Json, Unscannable
from guards.verdict import Redaction, Segment
from guards.window import Piece, Window

# What a text comes after, by its part; tool calls come last, one after the other.
RANKS = {"reasoning": 0, "content": 1, "refusal": 1}


class Line:
    """A text field of the message."""

    def __init__(self, name: str, part: str, window: Window) -> None:
        self.name = name
        self.part = part
        self.window = window
        self.seam: int | None = None  # where it ended, or seemed to
        self.said = 0  # up to where it has been told
        self.rank = RANKS[part]

    def segments(self, piece: Piece) -> list[Segment]:
        """What guards have to see before the piece may leave."""
        return [Segment(piece.text, "reply", self.part, piece.final)] if piece.text else []

    def end(self) -> Piece:
        """The whole text, to be screened and then released to its last character."""
        self.seam = self.window.received
        return self.window.finish()

    def torn(self, cuts: Sequence[Redaction], start: int = 0) -> bool:
        """Whether a cut begins in what left when the text seemed to have ended, so that it cannot be made."""
        seam = -1 if self.seam is None else self.seam - start
        return any(cut.start < seam < cut.end for cut in cuts)

    def has_said(self, received: int) -> bool:
        """Whether all that had been received by then has been told."""
        return self.said >= received

    def delta(self, text: str) -> dict[str, Any]:
        """How more of the text is told."""
        return {self.name: text}


class Call(Line):
    """A tool call: its arguments grow; its name and id are read with their first piece, and leave with it."""

    def __init__(self, position: int, window: Window) -> None:
        self.position = position
        self.part = "tool_arguments"
        self.window = window
        self.seam = None
        self.said = 0
        self.rank = 2 + position
        self.function = ""  # the name of what is called
        self.safe = ""  # the same, as it may be delivered
        self.named = False  # whether it has left
        self.head: dict[str, Any] = {}  # all else that was told of the call
        self._kind, self._field = "function", "arguments"
        self._latest: Json = {}

    def hear(self, call: Json) -> Piece | None:
        """Take in one delta of the call; the piece to be screened now. Raises Unscannable."""
        self._latest = call
        said = None
        for key, value in call.items():
            if key in ("function", "custom"):
                said = self._hear_function(key, value or {}) or said
            elif value is not None or key not in self.head:
                self.head[key] = value
        return said

    def _hear_function(self, kind: str, function: Json) -> Piece | None:
        piece, told = None, self.head.setdefault(kind, {})
        for field, text in function.items():
            told.setdefault(field, None if text is None else "")
            if not text:
                continue
            if self.seam is not None or (field == "name" and self.named):
                raise Unscannable("delta.tool_calls: a call that goes on after its end")
            self._kind = kind
            if field == "name":
                self.function += text
            else:
                self._field = field
                piece = self.window.push(text)
        return piece

    def segments(self, piece: Piece) -> list[Segment]:
        """The name and the id with the first of the arguments, then the arguments alone."""
        texts = () if self.named else (self.function, self.identity)
        return [Segment(text, "reply", "tool_name") for text in texts if text] + super().segments(piece)

    @property
    def identity(self) -> str:
        """Its id, which some parsers take from what the model said."""
        told = self.head.get("id")
        return told if isinstance(told, str) else ""

    def cuts_its_id(self, redactions: Sequence[Sequence[Redaction]]) -> bool:
        """Whether something is to be cut out of the id before it has left, which cannot be."""
        place = 1 if self.function else 0
        return bool(self.identity and not self.named and redactions and redactions[place])

    def has_said(self, received: int) -> bool:
        """The same, the name included."""
        return self.named and super().has_said(received)

    def delta(self, text: str) -> dict[str, Any]:
        """The first time all that is known of the call; then more of its arguments."""
        latest, self._latest = self._latest, {}
        told = latest if self.named else self.head
        said = {self._field: text}
        if not self.named and self.function:
            said["name"] = self.safe
        self.named = True
        call: dict[str, Any] = dict(told) if "index" in told else {"index": self.position, **told}
        call[self._kind] = {**(call.get(self._kind) or {}), **said}
        return {"tool_calls": [call]}

    def whole(self) -> dict[str, Any]:
        """The call as the engine said it, all pieces put together."""
        told = {key: value for key, value in self.head.items() if key != "index"}
        texts = {self._field: "".join(self.window.chunks)}
        if self.function:
            texts["name"] = self.function
        return {**told, self._kind: {**told.get(self._kind, {}), **texts}}
