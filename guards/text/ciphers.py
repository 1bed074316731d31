"""Texts whose every letter was moved: along the alphabet, to its other end, to the text's other end."""

from collections import Counter
from collections.abc import Iterator, Mapping
from string import ascii_lowercase, ascii_uppercase

from guards.text.lookalikes import TURNED, TURNED_ALONE
from guards.text.view import View

LONGEST = 20_000
LOOKED_AT = 4000  # characters of a text, at either end
LETTERS_ALONE = bytes(code if chr(code) in ascii_lowercase else ord(" ") for code in range(256))
# Words that requests are made of: a text that shows them only when it is turned round was disguised. Single letters
# prove nothing, and of two letters there are few that are no other word's shadow.
_COMMON = """
the and to of in is are you it that how what do does for on with my me your this be can not all as at make give write
tell explain from by or if we he she they about without someone somebody people person who why when where which need
want use using get help best way ways steps step guide instructions list create build find buy sell steal kill bomb
weapon drug drugs hack illegal being caught into out up will would could should have has had was were an their them his
her our us any some more most other than then there these those one two first provide describe detailed script program
code plan letter email story article post message against over under while after before like just only also very ignore
previous system prompt secret poison murder attack money fake home school police child children women men hurt harm
teach show develop
"""
COMMON = frozenset(map(str.encode, _COMMON.split()))
SHORTEST = 3  # letters of a word that proves a shift, of which there are many


def alphabet(steps: int) -> dict[int, str]:
    """The table that moves every letter so many steps."""
    pairs = [(letters, letters[steps:] + letters[:steps]) for letters in (ascii_lowercase, ascii_uppercase)]
    return {ord(one): other for row, moved in pairs for one, other in zip(row, moved, strict=True)}


ATBASH = {
    ord(one): other
    for letters in (ascii_lowercase, ascii_uppercase)
    for one, other in zip(letters, letters[::-1], strict=True)
}
TABLES: Mapping[str, Mapping[int, str]] = {
    "rot13": alphabet(13),
    "atbash": ATBASH,
    **{f"shift{steps}": alphabet(steps) for steps in range(1, 26) if steps != 13},
}
UNTURNED = {ord(one): other for one, other in TURNED.items()}


def shadows() -> dict[bytes, tuple[str, ...]]:
    """What each common word looks like in each disguise, and which disguises a word may stem from."""
    found: dict[bytes, list[str]] = {word: ["plain"] for word in COMMON}
    for word in COMMON:
        found.setdefault(word[::-1], []).append("reverse")
        if len(word) < SHORTEST:
            continue
        for name, table in TABLES.items():
            # A text in a disguise shows a word moved back by the table that undoes it.
            back = undoing(table)
            hidden = word.decode().translate(back).encode()
            found.setdefault(hidden, []).append(name)
            if name in {"rot13", "atbash"}:
                found.setdefault(hidden[::-1], []).append(f"reverse>{name}")
    return {word: tuple(names) for word, names in found.items()}


def undoing(table: Mapping[int, str]) -> dict[int, str]:
    """The table that takes back what another does."""
    return {ord(other): chr(one) for one, other in table.items()}


SHADOWS = shadows()


def deciphered(view: View) -> Iterator[View]:
    """The view in whatever disguise yields more common words than it has as it stands."""
    text = view.text
    if len(text) > LONGEST:
        return
    lower = text.lower()
    words = words_of(lower[:LOOKED_AT])
    if len(lower) > LOOKED_AT:
        words += words_of(lower[-LOOKED_AT:])
    seen = list(filter(None, map(SHADOWS.get, words)))
    if seen and not all(names == ("plain",) for names in set(seen)):
        yield from those(view, Counter(name for names in seen for name in names))
    if not text.isascii() and sum(map(text.count, TURNED_ALONE)) >= 3:
        yield view.then("turn", text[::-1].translate(UNTURNED), range(len(text) - 1, -1, -1))


def those(view: View, counts: Mapping[str, int]) -> Iterator[View]:
    """The readings that enough words speak for, at most two kinds of them."""
    enough = 2 * counts.get("plain", 0) + 1
    names = sorted((name for name in counts if name != "plain"), key=lambda name: -counts[name])
    for name in names[:2]:
        if counts[name] > enough:
            yield from reading(view, name)


def reading(view: View, name: str) -> Iterator[View]:
    """One disguise undone; what was turned round may have been so word by word."""
    _, _, cipher = name.rpartition("reverse")
    cipher = cipher.lstrip(">")
    if "reverse" in name:
        view = view.then("reverse", view.text[::-1], range(len(view.text) - 1, -1, -1))
    if cipher:
        view = view.then(cipher, view.text.translate(TABLES[cipher]), None)
    yield view
    if "reverse" in name:
        yield in_order(view)


def in_order(view: View) -> View:
    """The words from last to first."""
    places: list[int] = []
    end = len(view.text)
    position = end
    while position > 0:
        start = view.text.rfind(" ", 0, position) + 1
        places += [*range(start, position), start - 1] if start else range(position)
        position = start - 1
    places = places[: len(view.text)]
    return view.then("words", "".join(view.text[at] for at in places), places)


def words_of(lower: str) -> list[bytes]:
    """Every run of the letters a to z."""
    return lower.encode("ascii", "replace").translate(LETTERS_ALONE).split()
