"""Values taken out of one request and put back into its answer: redaction that its client does not notice.

    vault = Vault("[{label}-{id}]")
    hidden = vault.hide(screening, segments)        # each value a placeholder, the same for the same value
    vault.restore("Write to [EMAIL-ADDRESS-…].")    # and back, for the client alone

A placeholder is made with a secret that lives as long as the request: nobody can guess one, none says anything of its
value, and one from another request is only text. Pure but for that secret.
"""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import blake2b

from guards.redaction import redacted
from guards.verdict import Redaction, Screening, Segment

LETTERS = "bcdfghjklmnpqrstvwxz"  # no vowel, so no word; no digit, so nothing that guards take for a number
ID_LETTERS = 10
ID = re.compile(rf"(?=([{LETTERS}]{{{ID_LETTERS}}}))")  # wherever one might stand
OF_NO_LABEL = re.compile(r"[^A-Z0-9]+")


class Vault:
    """What one request's placeholders stand for."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._placeholders: dict[str, str] = {}  # by value
        self._values: dict[str, str] = {}  # by placeholder
        self._ids: set[str] = set()

    def __bool__(self) -> bool:
        """Whether anything was hidden."""
        return bool(self._values)

    def hide(self, screening: Screening, segments: Sequence[Segment]) -> Screening:
        """The screening of these segments with its reversible cuts made so that they can be undone."""
        if not any(cut.reversible for cuts in screening.redactions for cut in cuts):
            return screening
        taken = frozenset(run for segment in segments for run in ID.findall(segment.text))
        cuts = tuple(
            tuple(self._cut(cut, segment, taken) if cut.reversible else cut for cut in own)
            for own, segment in zip(screening.redactions, segments, strict=True)
        )
        hidden = tuple(
            replace(segment, text=redacted(segment.text, own)) if own else segment
            for segment, own in zip(segments, cuts, strict=True)
        )
        text = "".join([segment.text for segment in hidden])
        return replace(screening, text=text, segments=hidden, redactions=cuts)

    def _cut(self, cut: Redaction, segment: Segment, taken: frozenset[str]) -> Redaction:
        value = segment.text[cut.start : cut.end]
        if segment.part == "tool_arguments":
            value = unescaped(value)
        return replace(cut, text=self._placeholder(value, cut.label, taken))

    def _placeholder(self, value: str, label: str, taken: frozenset[str]) -> str:
        """The value's placeholder; its letters stand in none of the texts of the request."""
        known = self._placeholders.get(value)
        if known is not None:
            return known
        for attempt in range(1000):
            letters = self._letters(value, attempt)
            if letters not in taken and letters not in self._ids:
                break
        else:
            raise AssertionError("a thousand placeholders were all taken")
        self._ids.add(letters)
        self._placeholders[value] = made = self._spelled(label, letters)
        self._values[made] = value
        self.__dict__.pop("_known", None)
        self.__dict__.pop("_beginnings", None)
        return made

    def _letters(self, value: str, attempt: int) -> str:
        said = f"{attempt}\0{value}".encode(errors="surrogatepass")
        number = int.from_bytes(blake2b(said, key=self._secret, digest_size=16).digest(), "big")
        letters = []
        for _ in range(ID_LETTERS):
            number, place = divmod(number, len(LETTERS))
            letters.append(LETTERS[place])
        return "".join(letters)

    def _spelled(self, label: str, letters: str) -> str:
        named = OF_NO_LABEL.sub("-", label.upper()).strip("-") or "VALUE"
        return self._template.replace("{label}", named).replace("{id}", letters)

    def restore(self, text: str, *, in_json: bool = False) -> str:
        """The text with every placeholder of this request replaced by its value; all others are left."""
        if not self._values:
            return text
        return self._known.sub(lambda found: self._value(found[0], in_json=in_json), text)

    def _value(self, placeholder: str, *, in_json: bool) -> str:
        value = self._values[placeholder]
        return escaped(value) if in_json else value

    def conceal(self, text: str) -> str:
        """A restored text with its values hidden again, as it may be written down."""
        for value in sorted(self._placeholders, key=len, reverse=True):
            for spelt in {value, escaped(value)}:
                text = text.replace(spelt, self._placeholders[value])
        return text

    def held_back(self, text: str) -> int:
        """How many of its last characters may be the beginning of a placeholder."""
        longest = min(len(text), max(map(len, self._values), default=1) - 1)
        return next((size for size in range(longest, 0, -1) if text[-size:] in self._beginnings), 0)

    @cached_property
    def _secret(self) -> bytes:
        return secrets.token_bytes(32)

    @cached_property
    def _known(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self._values)))

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        return frozenset(one[:size] for one in self._values for size in range(1, len(one)))


class Restorer:
    """One text of a stream: pieces in, the same text with its values out; a possible placeholder waits for its end."""

    def __init__(self, vault: Vault, *, in_json: bool = False) -> None:
        self._vault = vault
        self._in_json = in_json
        self._held = ""

    def push(self, text: str) -> str:
        """What may be said once this piece has come."""
        heard = self._held + text
        edge = len(heard) - self._vault.held_back(heard)
        self._held = heard[edge:]
        return self._vault.restore(heard[:edge], in_json=self._in_json)

    def finish(self) -> str:
        """What was held, since nothing follows."""
        held, self._held = self._held, ""
        return held


def told_apart(template: str) -> str:
    """The template of a policy, unless its placeholders are alike, or JSON, HTML or Markdown writes them otherwise."""
    rest = re.sub(r"\{(label|id)\}", "", template)
    if template.count("{id}") != 1 or not re.fullmatch(r"[A-Za-z0-9 \[\]()|:=.,#@+-]*", rest):
        raise ValueError(
            "must hold {id} once, may hold {label}, and beside them letters, digits, spaces and []()|:=.,#@+- only"
        )
    return template


def escaped(value: str) -> str:
    """The value as it stands inside a JSON string."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


def unescaped(value: str) -> str:
    """What a piece of a JSON string says; the piece itself where it is none."""
    try:
        said = json.loads(f'"{value}"', strict=False)
    except ValueError:
        return value
    return said if isinstance(said, str) else value
