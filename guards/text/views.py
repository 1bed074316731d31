"""Every reading of a text that a guard should judge beside the text itself, which never changes."""

from collections.abc import Callable, Iterator

from guards.text import decoded as codes
from guards.text import joined, respelled
from guards.text.ciphers import deciphered
from guards.text.decoded import decoded, felt
from guards.text.joined import assembled, bared, mended, parted, segmented, unlisted
from guards.text.markup import unmarked
from guards.text.respelled import calmed, deleeted, despaced, rejoined
from guards.text.sieve import either
from guards.text.skeleton import skeleton
from guards.text.unescaped import ESCAPES_SIEVE, unescaped
from guards.text.view import View
from guards.text.visible import encodable, hidden, visible

MOST_VIEWS = 12
DEPTH = 3  # encodings inside of encodings
# Most text in plain ASCII has nothing that could be undone: one look, and it is spared a dozen.
ANYTHING = either(
    ESCAPES_SIEVE,
    codes.SIEVE,
    respelled.SPACED_SIEVE,
    respelled.LEET_SIEVE,
    respelled.STRETCHED_SIEVE,
    joined.BROKEN_SIEVE,
    joined.HUMPS_SIEVE,
    joined.UNSPACED_SIEVE,
    joined.LISTED_SIEVE,
    joined.ASSIGNED_SIEVE,
    joined.TAG_SIEVE,
)


def views(text: str, go_on: Callable[[], None] = lambda: None) -> list[View]:
    """The raw text first, then each distinct view; linear in the text, at most twelve of them.

    All encoded passages of one depth share a view, so that decoys cannot use up the number. Between two steps
    `go_on` is asked, which may raise.
    """
    raw = View("raw", encodable(text))
    shown = visible(raw)
    go_on()
    if shown is raw and raw.text.isascii() and not ANYTHING.passes(raw.text):
        return [raw, *deciphered(raw)]
    plain = unescaped(shown)
    folded = skeleton(shown if plain is shown else visible(plain))
    found = [raw, shown, plain, folded]
    go_on()
    found += unmarked(shown)
    for step in within(raw, shown, plain):
        go_on()
        found.append(step)
    for step in respellings(folded):
        go_on()
        found.append(step)
    found += deciphered(folded)
    return distinct(found)[:MOST_VIEWS]


def within(raw: View, shown: View, plain: View) -> Iterator[View]:
    """What is hidden or encoded inside of the text, and inside of that."""
    smuggled: View | None = hidden(raw)
    if smuggled is not None:
        yield smuggled
    told = felt(raw)
    if told is not None:
        yield told
    # What looks like an escape may be part of a code.
    for source in (smuggled, plain, None if plain is shown else shown):
        clear = source
        for _ in range(DEPTH):
            clear = decoded(clear) if clear is not None else None
            if clear is None:
                break
            clear = visible(unescaped(clear))
            yield clear
            yield skeleton(clear)
            yield from deciphered(clear)


def respellings(folded: View) -> Iterator[View]:
    """The same words, pulled apart or run together, in digits, with signs in them or with letters drawn out."""
    together = despaced(folded)
    yield together
    yield deleeted(together)
    yield rejoined(folded)
    whole = mended(folded)
    yield whole
    yield calmed(whole)
    yield parted(folded)
    yield segmented(folded)
    yield unlisted(folded)
    yield assembled(folded)
    yield bared(folded)


def distinct(found: list[View]) -> list[View]:
    """The views without those that read the same as an earlier one."""
    kept: dict[str, View] = {}
    for view in found:
        if view.text or view.path == "raw":
            kept.setdefault(view.text, view)
    return list(kept.values())
