"""What a stream may release: text waits until it has been screened, and its tail until more has come.

A pure state machine, one for each choice and part of a stream. Feed it with `push`; screen the piece that it
asks for; tell it with `release` what was found; send what that returns. `finish` asks for the whole
text once more. Offsets are characters of the stream's own text.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from guards.redaction import redacted
from guards.verdict import Redaction


@dataclass(frozen=True, slots=True)
class Piece:
    """Text to be screened now: characters [start, start + len(text)) of the stream, context included."""

    text: str
    start: int
    final: bool = False

    @property
    def end(self) -> int:
        """Where the piece ends in the stream."""
        return self.start + len(self.text)


class Window:
    """Holds back the last `hold_back` characters, and all that has not been screened."""

    def __init__(self, hold_back: int, overlap: int, step: int | None = None) -> None:
        self.hold_back = hold_back
        self.overlap = overlap
        self.step = max(1, hold_back // 4) if step is None else step
        self.chunks: list[str] = []  # everything received, for the final check
        self.tail = ""  # received text from `tail_start` on: context, then what is not released yet
        self.tail_start = 0
        self.received = 0
        self.screened = 0  # the end of the last piece that passed
        self.released = 0
        self._told = 0  # how many of the chunks were released whole, and
        self._edge = 0  # where the last of them ends

    def push(self, text: str) -> Piece | None:
        """Takes what the engine said; the piece to be screened now, or None while too little is new."""
        self.chunks.append(text)
        self.tail += text
        self.received += len(text)
        releasable = self.received - self.hold_back > self.released
        if not releasable or self.received - self.screened < self.step:
            return None
        return Piece(self.tail, self.tail_start)

    def hold(self) -> None:
        """Keeps back all that has not left until the end, whatever comes."""
        self.hold_back = sys.maxsize

    def finish(self) -> Piece:
        """The whole text, for the last check; after its release nothing is held back any more."""
        return Piece("".join(self.chunks), 0, final=True)

    def release(self, piece: Piece, redactions: Iterable[Redaction] = ()) -> str:
        """What may be sent now that the piece has passed; the offsets of its cuts are its own."""
        cuts = [Redaction(cut.start + piece.start, cut.end + piece.start, cut.text) for cut in redactions]
        limit = piece.end if piece.final else self.limit(piece, cuts)
        limit = max(limit, self.released)
        text = self.between(piece, limit, cuts)
        self.released, self.screened = limit, max(self.screened, piece.end)
        self.forget()
        return text

    def pieces(self, text: str, start: int) -> list[str]:
        """What `release` gave last, from `start` on, in the pieces in which it came; whole where it was cut."""
        pieces, position = [], start
        cut = len(text) != self.released - start
        while self._told < len(self.chunks):
            edge = self._edge + len(self.chunks[self._told])
            if edge > self.released:
                break
            self._told, self._edge = self._told + 1, edge
            if edge > position and not cut:
                pieces.append(text[position - start : edge - start])
                position = edge
        rest = text if cut else text[position - start :]
        return [*pieces, rest] if rest else pieces

    def limit(self, piece: Piece, cuts: list[Redaction]) -> int:
        """How far may be released: never into the held tail or a cut, or past a cut that may grow."""
        limit = piece.end - self.hold_back
        for cut in reversed(cuts):
            if cut.end >= piece.end or cut.start < limit < cut.end:
                limit = min(limit, cut.start)
        return limit

    def between(self, piece: Piece, limit: int, cuts: list[Redaction]) -> str:
        """The piece's text from what was released last up to the limit, with its cuts made."""
        origin = self.released
        if limit <= origin:
            return ""
        own = [
            Redaction(max(cut.start, origin) - origin, cut.end - origin, cut.text)
            for cut in cuts
            if cut.end > origin and cut.start < limit
        ]
        return redacted(piece.text[origin - piece.start : limit - piece.start], own)

    def forget(self) -> None:
        """Drops context that no later piece needs."""
        keep_from = max(self.tail_start, self.released - self.overlap)
        self.tail = self.tail[keep_from - self.tail_start :]
        self.tail_start = keep_from
