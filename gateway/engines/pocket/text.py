"""From token ids to text that may leave: whole characters only, and nothing of a stop string."""

from collections.abc import Callable, Sequence

HALF = "\ufffd"  # what a tokenizer writes for bytes that are no character, or not yet one

Decode = Callable[[Sequence[int]], str]


class Detokenizer:
    """Text of a growing list of ids; holds back bytes that may be the beginning of a character."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        # The last words told stay in the window: some tokenizers write a token differently when it is first.
        self._window: list[int] = []
        self._told = ""
        self._fresh = 0

    def push(self, token: int) -> str:
        """The text that this token completes; empty while a character is unfinished."""
        self._window.append(token)
        text = self._decode(self._window)
        if text.endswith(HALF) or len(text) <= len(self._told):
            return ""
        new = text[len(self._told) :]
        self._window = self._window[self._fresh :]
        self._fresh = len(self._window)
        self._told = self._decode(self._window)
        return new

    def rest(self) -> str:
        """What was held back and is text after all, without the half character at its end."""
        return self._decode(self._window)[len(self._told) :].rstrip(HALF)


class Writer:
    """Releases text as it becomes certain, and stops at the first stop string."""

    def __init__(self, decode: Decode, stops: Sequence[str] = (), *, keep_stop: bool = False) -> None:
        self._detokenizer = Detokenizer(decode)
        self._stops = stops
        self._keep_stop = keep_stop
        self._held = ""
        self.stopped: str | None = None

    def write(self, token: int, *, may_stop: bool = True) -> str:
        """The text that may leave now; once `stopped` is set there is no more."""
        self._held += self._detokenizer.push(token)
        if not may_stop:
            return self._release(len(self._held))
        if found := first_stop(self._held, self._stops):
            at, self.stopped = found
            return self._release(at + len(self.stopped) if self._keep_stop else at)
        return self._release(len(self._held) - longest_beginning(self._held, self._stops))

    def close(self) -> str:
        """What is left when the answer ends for another reason than a stop string."""
        self._held += self._detokenizer.rest()
        return self._release(len(self._held))

    def _release(self, length: int) -> str:
        text, self._held = self._held[:length], self._held[length:]
        return text


def first_stop(text: str, stops: Sequence[str]) -> tuple[int, str] | None:
    """Where the earliest stop string begins, and which it is; the longer one where two begin together."""
    found = [(text.index(stop), -len(stop), stop) for stop in stops if stop in text]
    return (min(found)[0], min(found)[2]) if found else None


def longest_beginning(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end of the text may be the beginning of a stop string."""
    lengths = [k for stop in stops for k in range(1, len(stop)) if text.endswith(stop[:k])]
    return max(lengths, default=0)


def bytes_of(token: str, decoded: str) -> list[int]:
    """The UTF-8 bytes of one token, also where they are a part of a character in a byte-level vocabulary."""
    if HALF in decoded and all(letter in BYTE_OF for letter in token):
        return [BYTE_OF[letter] for letter in token]
    return list(decoded.encode())


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's stand-in for each byte: those that print are themselves, the others follow from 256 on."""
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printing]
    shown = {chr(byte): byte for byte in printing}
    return shown | {chr(256 + place): byte for place, byte in enumerate(others)}


BYTE_OF = _byte_alphabet()
