"""What spells a stream's text out in tokens: it leaves with the text that it spells, and not without."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.line import Line
from gateway.parts import Unscannable
from gateway.spelling import unread

Json = dict[str, Any]
CONTEXT = 400  # characters of what tokens spell beside the text, read again with those that follow
Marks = Sequence[tuple[Line, int]]  # texts, and how much of each was received by then


@dataclass(slots=True)
class Entry:
    """The tokens of one frame or of several; `marks` is None until text has come with them."""

    marks: Marks | None = None
    logprobs: list[Json] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    at_the_end: bool = False

    @property
    def due(self) -> bool:
        """Whether all the text that these tokens spell has left."""
        if self.marks is None or self.at_the_end:
            return False
        return all(line.has_said(received) for line, received in self.marks)


@dataclass(slots=True)
class Spelled:
    """One choice's log probabilities and token ids that still wait for their text."""

    entries: list[Entry] = field(default_factory=list)
    beside: dict[str, str] = field(default_factory=dict)  # what they spell that is not text, as it came last
    news: bool = False  # whether some of that has not been read

    def hear(self, choice: Mapping[str, Any], marks: Marks, *, at_the_end: bool) -> None:
        """Take in a frame's tokens; those that came with no text wait for the next that do."""
        logprobs, token_ids = choice.get("logprobs"), choice.get("token_ids")
        if not (logprobs or token_ids):
            return
        if not isinstance(logprobs, dict | None) or not isinstance(token_ids, list | None):
            raise Unscannable("choice.logprobs or choice.token_ids")
        if not self.entries or self.entries[-1].marks is not None:
            self.entries.append(Entry())
        entry = self.entries[-1]
        entry.marks = marks or None
        entry.at_the_end = entry.at_the_end or at_the_end
        entry.logprobs += [logprobs] if logprobs else ()
        self._note(unread(logprobs, "".join(filter(is_text, (choice.get("delta") or {}).values()))))
        entry.token_ids += token_ids or ()

    def _note(self, texts: Mapping[str, str]) -> None:
        for place, text in texts.items():
            self.beside[place] = self.beside.get(place, "")[-CONTEXT:] + text
            self.news = True

    def take(self, *, last: bool = False) -> tuple[Json | None, list[int] | None]:
        """The log probabilities and the token ids of what has left by now; of all when it is the last."""
        due: list[Entry] = []
        kept: list[Entry] = []
        for entry in self.entries:
            (due if last or entry.due else kept).append(entry)
        self.entries = kept
        logprobs = [each for entry in due for each in entry.logprobs]
        token_ids = [each for entry in due for each in entry.token_ids]
        return _joined(logprobs), token_ids or None


def is_text(value: Any) -> bool:
    """Whether a field of a delta is text."""
    return isinstance(value, str)


def _joined(logprobs: list[Json]) -> Json | None:
    """Several frames' log probabilities as those of one."""
    if len(logprobs) < 2:
        return logprobs[0] if logprobs else None
    whole = dict(logprobs[0])
    for name in ("content", "refusal"):
        if any(each.get(name) for each in logprobs):
            whole[name] = [token for each in logprobs for token in each.get(name) or ()]
    return whole
