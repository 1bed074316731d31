"""One choice of a stream: what the engine has said so far, and what of it may be said to the client.

Pure: it decides what to screen and what to release, and neither waits nor sends. Texts flow as they pass;
tool calls wait for the choice's end, since nobody can act on half a call.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway import parts
from gateway.receipt import Receipt, saw_all, size
from guards.verdict import Action, Finding, Screening, Segment
from guards.window import Piece, Window

Json = dict[str, Any]


@dataclass(slots=True)
class Voice:
    """The state of one choice; `finish_reason` is the engine's until a guard withholds the choice."""

    index: int
    hold_back: int
    overlap: int
    receipt: Receipt
    windows: dict[str, Window] = field(default_factory=dict)
    calls: dict[int, Json] = field(default_factory=dict)
    legacy_call: Json = field(default_factory=dict)
    logprobs: list[tuple[int, Any]] = field(
        default_factory=list
    )  # with the end of the content they belong to
    delivered: str = ""  # content as the client got it
    finish_reason: str | None = None
    stop_reason: Any = None
    screening: Screening | None = None  # of the whole, or of the piece that was withheld
    findings: list[Finding] = field(default_factory=list)  # in pieces that passed
    redacted: bool = False
    introduced: bool = False
    tokens: int = 0

    @property
    def withheld(self) -> bool:
        """Whether a guard has ended this choice."""
        return self.screening is not None and self.screening.withheld

    @property
    def over(self) -> bool:
        """Whether nothing more of it will be delivered."""
        return self.withheld or self.finish_reason is not None

    @property
    def cut_off(self) -> bool:
        """Whether it was withheld while the engine was still speaking."""
        return self.withheld and self.finish_reason is None

    @property
    def judged(self) -> Screening | None:
        """What the guards made of it; of a choice that broke off, what they had found by then."""
        if self.screening is not None or not self.findings:
            return self.screening
        strictest = max(finding.action for finding in self.findings)
        return Screening(self.delivered, strictest, findings=tuple(self.findings))

    def hear(self, choice: parts.Json) -> list[tuple[str, Piece]]:
        """Take in one delta; the pieces to be screened now. Raises Unscannable."""
        delta = parts.delta_of(choice)
        pieces = []
        for name, value in delta.items():
            if not value or name == "role":
                continue
            self.tokens += 1
            if name == "tool_calls":
                self._hear_calls(value)
            elif name == "function_call":
                _grow(self.legacy_call, value)
            elif piece := self._window(name).push(value):
                pieces.append((name, piece))
        self._note(choice)
        return pieces

    def _window(self, name: str) -> Window:
        if name not in self.windows:
            self.windows[name] = Window(self.hold_back, self.overlap)
        return self.windows[name]

    def _hear_calls(self, calls: Any) -> None:
        for call in calls:
            known = self.calls.setdefault(int(call.get("index", 0)), {})
            for name, value in call.items():
                if name in ("function", "custom"):
                    _grow(known.setdefault(name, {}), value)
                elif name != "index" and value is not None:
                    known[name] = value

    def _note(self, choice: parts.Json) -> None:
        content = self.windows.get("content")
        if (logprobs := choice.get("logprobs")) and content:
            self.logprobs.append((content.received, logprobs))
        if choice.get("finish_reason"):
            self.finish_reason = choice["finish_reason"]
            self.stop_reason = choice.get("stop_reason")

    def pass_piece(self, name: str, piece: Piece, screening: Screening) -> Json | None:
        """What may be said now that the piece has passed, as a delta; None when it is nothing."""
        self.findings += screening.findings
        text = self._release(name, piece, screening, 0)
        return self._delta({name: text}) if text else None

    def withhold(self, screening: Screening) -> None:
        """End the choice: nothing more of it will be said."""
        self.screening = screening

    def whole(self) -> Json:
        """The message as the engine said it, all pieces put together."""
        message: Json = {"role": "assistant", "content": None}
        message |= {name: "".join(window.chunks) for name, window in self.windows.items()}
        if self.calls:
            message["tool_calls"] = [self.calls[position] for position in sorted(self.calls)]
        if self.legacy_call:
            message["function_call"] = self.legacy_call
        return message

    def pass_whole(self, found: list[parts.Part], screening: Screening) -> Iterator[Json]:
        """All that is left to say after the last check, as deltas."""
        self.screening = merged(screening, self.findings)
        for position, part in enumerate(found):
            name = str(part.path[0])
            if name in self.windows:
                text = self._release(name, self.windows[name].finish(), screening, position)
                if text:
                    yield self._delta({name: text})
            else:
                self.receipt.screened(
                    [part.segment], replace(screening, scanned_bytes=size(part.segment.text))
                )
                self.receipt.delivered(screening.segments[position].text)
        self.receipt.complete &= saw_all([part.segment for part in found], screening)
        yield from self._calls_passed(parts.put_back(self.whole(), found, screening.segments))

    def _calls_passed(self, message: parts.Json) -> Iterator[Json]:
        for position, call in enumerate(message.get("tool_calls") or ()):
            yield self._delta({"tool_calls": [{"index": position, **call}]})
        if message.get("function_call"):
            yield self._delta({"function_call": message["function_call"]})
        if not self.introduced:
            yield self._delta({"content": ""})

    def _release(self, name: str, piece: Piece, screening: Screening, position: int) -> str:
        window, cuts = self.windows[name], screening.redactions[position] if screening.redactions else ()
        before = window.released
        text = window.release(piece, cuts)
        raw = piece.text[before - piece.start : window.released - piece.start]
        self.redacted = self.redacted or bool(cuts)
        self.receipt.coverage.scanned(parts.PART_OF_FIELD[name], size(raw))
        self.receipt.delivered(text)
        self.receipt.complete &= piece.final or saw_all([Segment(piece.text, "reply")], screening)
        if name == "content":
            self.delivered += text
        return text

    def _delta(self, said: Json) -> Json:
        """A delta as it goes out; the first one tells the role."""
        introduced, self.introduced = self.introduced, True
        return said if introduced else {"role": "assistant", **said}

    def take_logprobs(self) -> Json | None:
        """The logprobs of the content released by now; none after a cut, since they would spell it."""
        content = self.windows.get("content")
        if self.redacted or content is None or not self.logprobs:
            return None
        due = [logprobs for end, logprobs in self.logprobs if end <= content.released]
        del self.logprobs[: len(due)]
        return {"content": [token for each in due for token in each.get("content") or ()]} if due else None


def merged(screening: Screening, earlier: list[Finding]) -> Screening:
    """The last screening with what was found in pieces and not in the whole: a flag, once raised, stays."""
    known = {(finding.guard, finding.hazard) for finding in screening.findings}
    more = tuple(
        replace(finding, action=min(finding.action, Action.REDACT))
        for finding in earlier
        if (finding.guard, finding.hazard) not in known
    )
    if not more:
        return screening
    strictest = max(screening.action, *(finding.action for finding in more))
    return replace(screening, findings=(*screening.findings, *more), action=strictest)


def _grow(known: Json, said: Mapping[str, Any]) -> None:
    for name, text in said.items():
        if text:
            known[name] = known.get(name, "") + text
