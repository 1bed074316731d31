"""Every reading of a text that a guard should judge beside the text itself, which never changes."""

from collections.abc import Callable

from guards.text.decoded import decoded, undisguised
from guards.text.markup import unmarked
from guards.text.respelled import deleeted, despaced
from guards.text.skeleton import skeleton
from guards.text.view import View
from guards.text.visible import encodable, hidden, visible

MOST_VIEWS = 12
DEPTH = 2  # encodings inside of encodings


def views(text: str, go_on: Callable[[], None] = lambda: None) -> list[View]:
    """The raw text first, then each distinct view; linear in the text, at most twelve of them.

    All encoded passages of one depth share a view, so that decoys cannot use up the number. Between two steps
    `go_on` is asked, which may raise.
    """
    raw = View("raw", encodable(text))
    found = [raw]
    shown = visible(raw)
    go_on()
    folded = skeleton(shown)
    drawn = despaced(folded)
    go_on()
    found += [shown, folded, drawn, deleeted(drawn)]
    smuggled = hidden(raw)
    clear: View | None = shown
    if smuggled is not None:
        found.append(smuggled)
        found += [inner for inner in [decoded(smuggled)] if inner is not None]
    found += unmarked(shown)
    for _ in range(DEPTH):
        go_on()
        clear = decoded(clear) if clear is not None else None
        if clear is not None:
            clear = visible(clear)
            found += [clear, skeleton(clear)]
    found += undisguised(folded)
    return distinct(found)[:MOST_VIEWS]


def distinct(found: list[View]) -> list[View]:
    """The views without those that read the same as an earlier one."""
    kept: dict[str, View] = {}
    for view in found:
        if view.text or view.path == "raw":
            kept.setdefault(view.text, view)
    return list(kept.values())
