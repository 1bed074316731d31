"""Evasions that spell, space or order words otherwise."""

from collections.abc import Callable, Mapping
from random import Random

Technique = Callable[[str, Random], str]

TAG_PAIRS = (("<b>", "</b>"), ("<i>", "</i>"), ("<span>", "</span>"), ("<!-- -->", ""))
VOWELS = "aeiou"


def spaced(separator: str) -> Technique:
    """A separator between all characters."""
    return lambda text, rng: separator.join(text)


def words_spaced(separator: str) -> Technique:
    """A separator between the letters of every word; words stay apart."""
    return lambda text, rng: " ".join(separator.join(word) for word in text.split())


def each_word(change: Callable[[str, Random], str]) -> Technique:
    """Every word changed by itself."""
    return lambda text, rng: " ".join(change(word, rng) for word in text.split())


def broken(joint: str, fewest: int = 4) -> Technique:
    """Something put into the middle of every word of some length."""

    def change(word: str, rng: Random) -> str:
        if len(word) < fewest:
            return word
        at = rng.randint(1, len(word) - 1)
        return word[:at] + joint + word[at:]

    return each_word(change)


def alternating(text: str, rng: Random) -> str:
    """Small and capital letters in turn."""
    return "".join(char.upper() if at % 2 else char.lower() for at, char in enumerate(text))


def random_case(text: str, rng: Random) -> str:
    """Small and capital letters by chance."""
    return "".join(rng.choice((char.lower(), char.upper())) for char in text)


def repeated(times: int) -> Technique:
    """Every letter so many times."""
    return lambda text, rng: "".join(char * times if char.isalpha() else char for char in text)


def drawn_out(text: str, rng: Random) -> str:
    """One vowel of every word drawn out."""

    def change(word: str, rng: Random) -> str:
        places = [at for at, char in enumerate(word) if char.lower() in VOWELS]
        if not places:
            return word
        at = rng.choice(places)
        return word[:at] + word[at] * rng.randint(4, 7) + word[at + 1 :]

    return each_word(change)(text, rng)


def swapped(word: str, rng: Random) -> str:
    """Two inner letters of a long word the other way round, as a hasty hand writes them."""
    if len(word) < 5 or rng.random() < 0.3:
        return word
    at = rng.randint(1, len(word) - 3)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def tagged(text: str, rng: Random) -> str:
    """HTML tags inside of words."""

    def change(word: str, rng: Random) -> str:
        if len(word) < 4:
            return word
        start, end = rng.choice(TAG_PAIRS)
        at = rng.randint(1, len(word) - 2)
        return word[:at] + start + word[at] + end + word[at + 1 :]

    return each_word(change)(text, rng)


def upright(text: str, rng: Random) -> str:
    """One letter a line; a blank line between words."""
    return "\n\n".join("\n".join(word) for word in text.split())


def as_variables(text: str, rng: Random) -> str:
    """The text cut into variables that are put together again."""
    words = text.split()
    size = max(1, -(-len(words) // 4))
    cut = [" ".join(words[at : at + size]) for at in range(0, len(words), size)]
    names = "abcd"[: len(cut)]
    lines = [f'{name} = "{part} "' for name, part in zip(names, cut, strict=True)]
    return "\n".join([*lines, f"Answer this: {' + '.join(names)}"])


def as_acrostic(text: str, rng: Random) -> str:
    """One word a line, numbered."""
    return "\n".join(f"{at}. {word}" for at, word in enumerate(text.split(), 1))


TECHNIQUES: Mapping[str, Technique] = {
    "letters spaced": spaced(" "),
    **{f"letters split by {mark}": spaced(mark) for mark in "._-*|"},
    **{f"letters of words split by {mark}": words_spaced(mark) for mark in "._-*|"},
    "letters spaced by two": spaced("  "),
    "words broken by -": broken("-"),
    "words broken by .": broken("."),
    "words broken by *": broken("*"),
    "words broken by ~": broken("~"),
    "words hyphenated at a line's end": broken("-\n"),
    "HTML tags inside words": tagged,
    "HTML comments inside words": broken("<!-- x -->"),
    "Markdown inside words": broken("**"),
    "code marks inside words": broken("`"),
    "case alternating": alternating,
    "case by chance": random_case,
    "upper case": lambda text, rng: text.upper(),
    "every letter three times": repeated(3),
    "every letter twice": repeated(2),
    "vowels drawn out": drawn_out,
    "letters swapped": each_word(swapped),
    "reversed": lambda text, rng: text[::-1],
    "words reversed each": each_word(lambda word, rng: word[::-1]),
    "words in reverse order": lambda text, rng: " ".join(reversed(text.split())),
    "one word a line": lambda text, rng: "\n".join(text.split()),
    "one letter a line": upright,
    "numbered words": as_acrostic,
    "tabs for spaces": lambda text, rng: "\t".join(text.split()),
    "underscores for spaces": lambda text, rng: "_".join(text.split()),
    "no spaces, capitals": lambda text, rng: "".join(word.capitalize() for word in text.split()),
    "no spaces": lambda text, rng: "".join(text.split()),
    "split over variables": as_variables,
}
