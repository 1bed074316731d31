"""Words broken by signs and markup, run together, numbered or cut into variables, read as a text again."""

import re
from array import array
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from guards.text.sieve import Sieve
from guards.text.view import View

# Markup or a sign inside of a word: at several places, or at a line's end.
BROKEN = re.compile(r"(?<=[^\W\d_])(?>(?:<[^<>\n]{1,60}>|[-.*|~`^/\\]){1,3})(?:\r?\n)?(?=[^\W\d_])")
BROKEN_SIEVE = Sieve(
    r"[A-Za-z](?:<[^<>\n]{1,60}>|[*|~`^]{1,3})[A-Za-z]|[A-Za-z]-\r?\n[A-Za-z]"
    r"|(?s:(?:[A-Za-z][-./\\][A-Za-z].{0,40}){2})"
)
WORDS_A_BREAK = 6  # fewer broken words than one in so many are compounds and addresses
HUMPS_SIEVE = Sieve("[a-z][A-Z][a-z]*[A-Z][a-z]*[A-Z]")
HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
UNSPACED_SIEVE = Sieve("[A-Za-z]{16}")
UNSPACED = re.compile("[A-Za-z]{16,400}")
MOST_SEGMENTED = 800  # letters of one text
LONGEST_WORD = 16
SHORTEST_WORDS = "ai"
FEWEST_PIECES, MOST_UNKNOWN, MOST_SHORT = 4, 0.15, 0.6
UNKNOWN = 14.0  # what a letter of no known word costs; a known word costs the more the rarer it is
LISTED_SIEVE = Sieve(r"(?m:(?:^[0-9]{1,3}[.)] +\S+ *\n){3})")
LISTED = re.compile(r"^[0-9]{1,3}[.)] +(?=\S)", re.MULTILINE)
ASSIGNED_SIEVE = Sieve(r"(?s:[A-Za-z] ?= ?[\"'].{1,400}?[\"']\s.{0,20}[A-Za-z] ?= ?[\"'])")
ASSIGNED = re.compile(r"(?<![\w\"' ])\w{1,30} ?= ?(?:\"([^\"\n]{1,400})\"|'([^'\n]{1,400})')")
TAG_SIEVE = Sieve(r"<(?:[A-Za-z/!][^<>]*>|!--)")
TAG = re.compile(r"</?[A-Za-z][^<>]{0,400}>|<!--|-->")


def mended(view: View) -> View:
    """The view without markup and signs inside of words, if many of its words have some, or any is broken off."""
    text = view.text
    if not BROKEN_SIEVE.passes(text):
        return view
    breaks = list(BROKEN.finditer(text))
    few = len(breaks) * WORDS_A_BREAK < text.count(" ") + 1
    if few and not any("\n" in one.group() for one in breaks):
        return view
    return replaced(view, "mend", ((one.start(), one.end(), "") for one in breaks))


def parted(view: View) -> View:
    """The view with a space before each hump of words run together: `HowDoIStart`."""
    if not HUMPS_SIEVE.passes(view.text):
        return view
    return replaced(view, "part", ((hump.start(), hump.start(), " ") for hump in HUMP.finditer(view.text)))


def segmented(view: View) -> View:
    """The view with long runs of letters cut into the words that they most likely are."""
    if not UNSPACED_SIEVE.passes(view.text):
        return view
    cuts: list[tuple[int, int, str]] = []
    left = MOST_SEGMENTED
    for run in UNSPACED.finditer(view.text):
        left -= len(run.group())
        if left < 0:
            break
        cuts += [(run.start() + at, run.start() + at, " ") for at in words_in(run.group().lower())]
    return replaced(view, "segment", cuts)


def words_in(letters: str) -> list[int]:
    """Where the words of a run of letters begin, but for the first: the cheapest way to spell it in known words.

    Nowhere, where that would be few words, or many letters of none.
    """
    costs = known_words()
    best = [0.0]
    back = [0]
    for end in range(1, len(letters) + 1):
        choices = [(best[end - 1] + UNKNOWN, end - 1)]
        for start in range(max(0, end - LONGEST_WORD), end):
            cost = costs.get(letters[start:end])
            if cost is not None:
                choices.append((best[start] + cost, start))
        cheapest, start = min(choices)
        best.append(cheapest)
        back.append(start)
    places = [len(letters)]
    while at := back[places[-1]]:
        places.append(at)
    unknown = sum(one - back[one] == 1 and letters[back[one]] not in SHORTEST_WORDS for one in places)
    short = sum(one - back[one] < 3 for one in places)
    plausible = len(places) >= FEWEST_PIECES and unknown <= MOST_UNKNOWN * len(letters)
    plausible = plausible and short <= MOST_SHORT * len(places)
    return places[:0:-1] if plausible else []


@cache
def known_words() -> dict[str, float]:
    """What each word costs that is common in the project's own texts: the rarer, the more."""
    words = (files("guards.text") / "words.txt").read_text("utf-8").split()
    return {word: 1.0 + 0.9 * at**0.25 for at, word in enumerate(words, 1)}


def unlisted(view: View) -> View:
    """The view without the numbers of a list that has one word a line."""
    if not LISTED_SIEVE.passes(view.text):
        return view
    return replaced(view, "unlist", ((one.start(), one.end(), "") for one in LISTED.finditer(view.text)))


def assembled(view: View) -> View:
    """What the variables of the view hold, put together in their order."""
    if not ASSIGNED_SIEVE.passes(view.text):
        return view
    spans = [one.span(1) if one[1] is not None else one.span(2) for one in ASSIGNED.finditer(view.text)]
    chosen = [at for start, end in spans for at in range(start, end)]
    return view.then("assemble", "".join(view.text[start:end] for start, end in spans), chosen)


def bared(view: View) -> View:
    """The view without HTML's tags; comments stay."""
    if not TAG_SIEVE.passes(view.text):
        return view
    return replaced(view, "bare", ((one.start(), one.end(), "\n") for one in TAG.finditer(view.text)))


def replaced(view: View, step: str, runs: Iterable[tuple[int, int, str]]) -> View:
    """The view with other text in place of these runs, each of which leads back to where it stood."""
    pieces: list[str] = []
    chosen = array("q")
    position = 0
    for start, end, instead in runs:
        pieces += (view.text[position:start], instead)
        chosen.extend(range(position, start))
        chosen.extend([min(start, len(view.text) - 1)] * len(instead))
        position = end
    if not pieces:
        return view
    pieces.append(view.text[position:])
    chosen.extend(range(position, len(view.text)))
    return view.then(step, "".join(pieces), chosen)
