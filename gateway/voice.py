"""One choice of a stream: what the engine has said so far, and what of it may be said to the client.

Pure: it decides what to screen and what to release, and neither waits nor sends. Texts and the arguments of tool
calls flow as they pass; what speaks or draws waits for the choice's end, and so does OpenAI's old function call.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway import media, parts
from gateway.deltas import delta_of
from gateway.late import may_change, merged, refused, waits
from gateway.line import Call, Line
from gateway.phrasing import Phrasing
from gateway.receipt import Receipt, saw_all, size
from gateway.run import Run
from guards.verdict import Finding, Redaction, Screening
from guards.window import Piece, Window

Json = dict[str, Any]
Due = tuple[Line, Piece]


@dataclass(slots=True)
class Voice:
    """The state of one choice; `finish_reason` is the engine's until a guard withholds the choice."""

    index: int
    hold_back: int
    overlap: int
    receipt: Receipt
    lines: dict[str, Line] = field(default_factory=dict)
    calls: dict[int, Call] = field(default_factory=dict)
    shown: list[Json] = field(default_factory=list)  # deltas that speak or draw
    legacy_call: Json = field(default_factory=dict)
    asked_about: int = 0  # of these
    admitted: set[str] = field(default_factory=set)  # kinds of parts that the policy was asked about
    phrasing: Phrasing = field(init=False)
    run: Run = field(default_factory=Run)
    speaking: Line | None = None
    delivered: str = ""  # content as the client got it
    finish_reason: str | None = None
    screening: Screening | None = None  # of the whole, or of the piece that was withheld
    findings: list[Finding] = field(default_factory=list)  # in pieces that passed
    tokens: int = 0

    def __post_init__(self) -> None:
        self.phrasing = Phrasing(self.index)

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

    def hear_all(self, choices: Sequence[parts.Json]) -> list[Due]:
        """Take in deltas that came together; of each text the latest piece, which holds the earlier ones.

        Of a choice that has ended only what ended before is left: the rest is screened as a whole.
        """
        due: list[Due] = []
        for choice in choices:
            text = self.run.text_of(choice)
            for line, piece in self.hear(choice) if text is None else self._go_on(text):
                due = [each for each in due if each[0] is not line or each[1].final]
                due.append((line, piece))
            if self.over:
                return [each for each in due if each[1].final]
        return due

    def _go_on(self, text: str) -> list[Due]:
        """The same for a delta that only goes on with the text that is being said."""
        line = self.speaking
        assert line is not None
        self.tokens += 1
        self.phrasing.shape.hear_again()
        piece = line.window.push(text)
        return [] if piece is None else [(line, piece)]

    def hear(self, choice: parts.Json) -> list[Due]:
        """Take in one delta; the pieces to be screened now. Raises Unscannable."""
        delta = delta_of(choice)
        due: list[Due] = []
        heard: list[Line] = []
        for name, value in delta.items():
            if not value or name == "role":
                continue
            self.tokens += 1
            if name in parts.PART_OF_FIELD:
                line = self.lines.get(name) or self._open(name)
                due += self._due(line, line.window.push(value))
                heard.append(line)
            elif name == "tool_calls":
                for call in value:
                    line = self._call(call)
                    due += self._due(line, line.hear(call))
                    heard.append(line)
            elif name == "function_call":
                _grow(self.legacy_call, value)
            elif name in media.FIELDS:
                self.shown.append({name: value})
        self._note(choice, heard)
        self.run.begin(choice, heard)
        return due

    def _open(self, name: str) -> Line:
        window = Window(self.hold_back, self.overlap)
        self.lines[name] = line = Line(name, parts.PART_OF_FIELD[name], window)
        return line

    def _call(self, told: Mapping[str, Any]) -> Call:
        position = told.get("index") or 0
        if position not in self.calls:
            self.calls[position] = Call(position, Window(self.hold_back, self.overlap))
        return self.calls[position]

    def _due(self, line: Line, piece: Piece | None) -> list[Due]:
        """What ends because this text goes on, and then its own piece."""
        due: list[Due] = []
        if line is not self.speaking:
            self.speaking = line
            earlier = (each for each in self._in_order() if each.rank < line.rank and each.seam is None)
            due += [(each, each.end()) for each in earlier]
        if piece is not None:
            due.append((line, piece))
        return due

    def _in_order(self) -> list[Line]:
        return sorted((*self.lines.values(), *self.calls.values()), key=lambda line: line.rank)

    def _note(self, choice: parts.Json, heard: list[Line]) -> None:
        marks = [(line, line.window.received) for line in heard]
        self.phrasing.hear(choice, marks, at_the_end=bool(self.shown or self.legacy_call))
        self.finish_reason = choice.get("finish_reason") or None

    @property
    def news(self) -> Mapping[str, int]:
        """The parts that no guard reads, of kinds that the policy was not asked about yet."""
        found: dict[str, int] = {}
        for delta in self.shown[self.asked_about :]:
            found |= media.unread_in_reply(delta)
        return {kind: count for kind, count in found.items() if kind not in self.admitted}

    def admit(self, screening: Screening) -> bool:
        """Whether the policy lets them pass; if not, the choice ends here."""
        self.admitted |= screening.unscanned.keys()
        self.asked_about = len(self.shown)
        if screening.withheld:
            self.screening = screening
        return not screening.withheld

    def doubts(self, line: Line, piece: Piece, screening: Screening) -> bool:
        """Whether the text waits for its end, and for what guards say of all of it; nothing leaves until then."""
        if piece.final or not (may_change(screening) or waits(screening)):
            return False
        line.window.hold()
        return True

    def judge(self, line: Line, piece: Piece, screening: Screening) -> bool:
        """Whether the piece may be said; if not, the choice ends here."""
        torn = line.torn(_cuts(screening, -1) if piece.text else (), piece.start)
        if torn or (isinstance(line, Call) and line.cuts_its_id(screening.redactions)):
            screening = refused(screening)
        if screening.withheld:
            self.screening = screening
        return not screening.withheld

    def pass_piece(self, line: Line, piece: Piece, screening: Screening) -> list[Json]:
        """What may be said now that the piece has passed, as choices."""
        self.findings += screening.findings
        cuts = _cuts(screening, -1) if piece.text else ()
        if isinstance(line, Call):
            if (
                cuts and not piece.final
            ):  # half of some JSON cannot show whether it would be JSON without them
                line.window.hold()
                return []
            self._name(line, screening, 0)
        self.receipt.complete &= piece.final or saw_all(line.segments(piece), screening)
        return self._told(line, piece, cuts)

    def whole(self) -> Json:
        """The message as the engine said it, all pieces put together."""
        message: Json = {"role": "assistant", "content": None}
        message |= {name: "".join(line.window.chunks) for name, line in self.lines.items()}
        if self.calls:
            message["tool_calls"] = [self.calls[position].whole() for position in sorted(self.calls)]
        if self.legacy_call:
            message["function_call"] = self.legacy_call
        return message | media.joined(self.shown)

    def judge_whole(self, found: list[parts.Part], screening: Screening) -> bool:
        """Whether all that is left may be said, after the last check."""
        torn = any(
            cuts and self._too_late(part, cuts)
            for part, cuts in zip(found, screening.redactions, strict=False)
        )
        self.screening = merged(refused(screening) if torn else screening, self.findings)
        return not self.withheld

    def _too_late(self, part: parts.Part, cuts: Sequence[Redaction]) -> bool:
        """Whether cuts cannot be made any more, or never could: a call's id leaves as it is."""
        name = str(part.path[0])
        if name == "tool_calls":
            return part.path[-1] == "id"
        return name in self.lines and self.lines[name].torn(cuts)

    def pass_whole(self, found: list[parts.Part], screening: Screening) -> Iterator[Json]:
        """All that is left to say after the last check, as choices."""
        self.receipt.complete &= saw_all([part.segment for part in found], screening)
        self.receipt.passed_unread(screening.unscanned)
        calls = [self.calls[position] for position in sorted(self.calls)]
        places: dict[Line, int] = {}
        for position, part in enumerate(found):
            name, *inner = part.path
            if name in self.lines:
                places[self.lines[str(name)]] = position
            elif name == "tool_calls" and inner[-1] in ("arguments", "input"):
                places[calls[int(inner[0])]] = position
            elif name == "tool_calls" and inner[-1] == "name":
                self._name(calls[int(inner[0])], screening, position)
            elif name != "tool_calls":  # an id leaves with its call's name
                self._account(part.segment.part, part.segment.text, screening.segments[position].text)
        for line in self._in_order():
            cuts = _cuts(screening, places[line]) if line in places else ()
            yield from self._told(line, line.window.finish(), cuts)
        yield from self._rest(parts.put_back(self.whole(), found, screening.segments))

    def _rest(self, message: parts.Json) -> Iterator[Json]:
        if message.get("function_call"):
            yield self.phrasing.say({"function_call": message["function_call"]})
        yield from map(self.phrasing.say, self.shown)
        if not self.phrasing.introduced:
            yield self.phrasing.say({"content": ""})

    def _name(self, call: Call, screening: Screening, position: int) -> None:
        """Let the call's name leave with what is said next of it."""
        if call.named or not call.function:
            return
        call.safe = screening.segments[position].text
        self.phrasing.redacted |= bool(_cuts(screening, position))
        self._account("tool_name", call.function, call.safe)
        self._account("tool_name", call.identity, call.identity)

    def _told(self, line: Line, piece: Piece, cuts: Sequence[Redaction]) -> list[Json]:
        """What leaves of a text, as choices: in the pieces in which the engine said it, where nothing was cut."""
        before = line.window.released
        text = self._release(line, piece, cuts)
        pieces = line.window.pieces(text, before)
        if not pieces and not line.has_said(0):
            pieces = [""]
        said = []
        for left, each in zip(range(len(pieces) - 1, -1, -1), pieces, strict=True):
            # What spells the text goes with it: the last piece has told all that was released, cuts too.
            line.said = line.said + len(each) if left else line.window.released
            said.append(self.phrasing.say(line.delta(each)))
        return said

    def _release(self, line: Line, piece: Piece, cuts: Sequence[Redaction]) -> str:
        window, before = line.window, line.window.released
        text = window.release(piece, cuts)
        raw = piece.text[before - piece.start : window.released - piece.start]
        self.phrasing.redacted |= bool(cuts)
        if raw:
            self._account(line.part, raw, text)
        if line.part == "content":
            self.delivered += text
        return text

    def _account(self, part: str, raw: str, text: str) -> None:
        self.receipt.coverage.scanned(part, size(raw))
        self.receipt.delivered(text)


def _cuts(screening: Screening, position: int) -> Sequence[Redaction]:
    return screening.redactions[position] if screening.redactions else ()


def _grow(known: Json, said: Mapping[str, Any]) -> None:
    for name, text in said.items():
        if text:
            known[name] = known.get(name, "") + text
