"""What a guard model is shown of a conversation: the turn that it judges, cut into windows, and what was said before.

Pure. Every window comes with the same history; whatever the guard model is shown is neutralised first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from guards.models.neutral import neutral
from guards.verdict import Context, Segment, Where

Speaker = Literal["user", "assistant"]
ASSISTANTS = frozenset({"assistant", "reasoning", "refusal", "tool_arguments", "tool_name"})
ROLES_OF_PART = {"content": ("user",), "system": ("system", "developer"), "tool_result": ("tool", "function")}
JOINT = "\n\n"  # between what one side said in several turns


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns of a user and an assistant by turns, of which the last one is judged."""

    turns: tuple[Turn, ...]

    @property
    def judged(self) -> Turn:
        """The last turn."""
        return self.turns[-1]

    @property
    def side(self) -> Where:
        """Whether a prompt is judged, or a reply."""
        return "reply" if self.judged.speaker == "assistant" else "prompt"

    @property
    def asked(self) -> str:
        """What the user said last."""
        return next((turn.text for turn in reversed(self.turns) if turn.speaker == "user"), "")

    def messages(self) -> list[dict[str, str]]:
        """The turns as chat messages."""
        return [{"role": turn.speaker, "content": turn.text} for turn in self.turns]


@dataclass(frozen=True, slots=True)
class Sight:
    """How much a guard model is shown at once, in characters."""

    window: int = 8000  # of the text that is judged
    overlap: int = 1200  # of it twice, so that nothing hides at an edge
    history: int = 4000  # of what was said before


@dataclass(frozen=True, slots=True)
class Window:
    """Characters [start, end) of a segment, as a guard model is shown them."""

    start: int
    end: int
    conversation: Conversation


def windows(segment: Segment, context: Context, sight: Sight) -> Iterator[Window]:
    """The segment as the last turn of conversations, each with a part of it; together they hold all of it."""
    before = history(segment, context, sight.history)
    speaker = speaker_of(segment)
    for start, end in edges(len(segment.text), sight.window, sight.overlap):
        turn = Turn(speaker, neutral(segment.text[start:end]))
        yield Window(start, end, Conversation(alternating([*before, turn])))


def edges(length: int, window: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Windows of at most `window` characters, each with the last `overlap` of the one before."""
    start = 0
    while start + window < length:
        yield start, start + window
        start += window - overlap
    yield start, length


def speaker_of(segment: Segment) -> Speaker:
    """Who said it: the model, or the user and whoever the application takes for him."""
    return "assistant" if segment.where == "reply" or segment.part in ASSISTANTS else "user"


def history(segment: Segment, context: Context, most: int) -> list[Turn]:
    """What was said before the segment, the latest `most` characters of it; the operator's own words left out."""
    if most <= 0:
        return []
    turns = context.turns if segment.where == "reply" else context.turns[: place_of(segment, context.turns)]
    found: list[Turn] = []
    for role, text in reversed(turns):
        if most <= 0:
            break
        if role not in ROLES_OF_PART["system"] and text.strip():
            found.append(Turn("assistant" if role == "assistant" else "user", neutral(text[-most:])))
            most -= len(text)
    return found[::-1]


def place_of(segment: Segment, turns: Sequence[tuple[str, str]]) -> int:
    """The turn that a segment of a prompt is, or is a part of: the last such; 0, with nothing before it, if none is."""
    roles = ROLES_OF_PART.get(segment.part, ("assistant",) if segment.part in ASSISTANTS else ())
    mine = [(place, text) for place, (role, text) in enumerate(turns) if role in roles]
    whole = [place for place, text in mine if text == segment.text]
    parts = whole or [place for place, text in mine if segment.text in text]
    return parts[-1] if parts else 0


def alternating(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The turns with neighbours of one side made one, beginning with the user: what templates insist on."""
    found: list[Turn] = []
    for turn in turns:
        if found and found[-1].speaker == turn.speaker:
            found[-1] = Turn(turn.speaker, found[-1].text + JOINT + turn.text)
        else:
            found.append(turn)
    if found and found[0].speaker == "assistant":
        found.insert(0, Turn("user", ""))
    return tuple(found)
