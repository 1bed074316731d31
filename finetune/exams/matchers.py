"""Whether an answer is right, where that can be checked: by number, words, pattern, choice or form. Pure.

The matchers are those that the common public sets need: `number` for GSM8K, `choice` for MMLU, `contains` and `exact`
for closed-book facts, the forms for instructions in the manner of IFEval.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence

from finetune.pairs.similarity import words

NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
CHOICE = re.compile(r"\b([A-J])\b")
Matcher = Callable[[str, Sequence[str]], bool]


def number(text: str, expected: Sequence[str]) -> bool:
    """The last number said is one of those expected, however it is written."""
    said = NUMBER.findall(text.rsplit("####", maxsplit=1)[-1])
    return bool(said) and any(amount(said[-1]) == amount(each) for each in expected)


def amount(text: str) -> float:
    """A number as it is written, with or without separators."""
    return float(text.replace(",", ""))


def contains(text: str, expected: Sequence[str]) -> bool:
    """One of the expected runs of words stands in the answer, as whole words."""
    said = f" {' '.join(words(text))} "
    return any(f" {' '.join(words(each))} " in said for each in expected)


def contains_all(text: str, expected: Sequence[str]) -> bool:
    """Each of the expected runs of words stands in the answer."""
    return all(contains(text, [each]) for each in expected)


def exact(text: str, expected: Sequence[str]) -> bool:
    """The answer is one of those expected, but for case, punctuation and spacing."""
    return words(text) in [words(each) for each in expected]


def pattern(text: str, expected: Sequence[str]) -> bool:
    """One of the expected regular expressions is found in the answer."""
    return any(re.search(each, text, re.IGNORECASE) for each in expected)


def choice(text: str, expected: Sequence[str]) -> bool:
    """The first letter that names a choice is the expected one."""
    said = CHOICE.search(text)
    return said is not None and said.group(1) in expected


def words_at_most(text: str, expected: Sequence[str]) -> bool:
    """The answer has no more words than told."""
    return len(words(text)) <= int(expected[0])


def words_at_least(text: str, expected: Sequence[str]) -> bool:
    """The answer has no fewer words than told."""
    return len(words(text)) >= int(expected[0])


def lacks(text: str, expected: Sequence[str]) -> bool:
    """None of the forbidden runs of characters stands in the answer."""
    return not any(each.casefold() in text.casefold() for each in expected)


def is_json(text: str, _: Sequence[str]) -> bool:
    """The answer is a JSON document, fenced or not."""
    try:
        json.loads(re.sub(r"^```(?:json)?|```$", "", text.strip()).strip())
    except ValueError:
        return False
    return True


MATCHERS: Mapping[str, Matcher] = {
    "number": number,
    "contains": contains,
    "contains_all": contains_all,
    "exact": exact,
    "pattern": pattern,
    "choice": choice,
    "words_at_most": words_at_most,
    "words_at_least": words_at_least,
    "lacks": lacks,
    "json": is_json,
}


def unreadable(matcher: str, expected: Sequence[str]) -> str:
    """Why a matcher could never find one of these right; nothing where it can."""
    must, readable = EXPECTS.get(matcher, ("", any_text))
    return "" if all(map(readable, expected)) else f"{must} for the matcher {matcher}"


def any_text(_: str) -> bool:
    """Whatever is expected will do."""
    return True


def is_number(text: str) -> bool:
    """A number and nothing else."""
    try:
        return math.isfinite(amount(text))
    except ValueError:
        return False


def is_count(text: str) -> bool:
    """A whole number that is not below 0."""
    return text.isascii() and text.isdigit()


def is_pattern(text: str) -> bool:
    """A regular expression."""
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def has_words(text: str) -> bool:
    """Something to look for when punctuation is left out."""
    return bool(words(text))


WORDS = ("must hold words", has_words)
COUNT = ("must be a whole number", is_count)
# What must be expected, in words and as a check, by the matcher.
EXPECTS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "number": ("must be a number, such as 18", is_number),
    "contains": WORDS,
    "contains_all": WORDS,
    "exact": WORDS,
    "pattern": ("must be a regular expression", is_pattern),
    "choice": ("must be one capital letter from A to J", lambda text: CHOICE.fullmatch(text) is not None),
    "words_at_most": COUNT,
    "words_at_least": COUNT,
    "lacks": ("must not be empty", bool),
}
