r"""What an answer comes to, so that two of them can be held against each other.

    a tool call        its name and its arguments
    JSON               with its keys in order
    \boxed{…}          what stands in the last of them
    the answer is …    what follows the last of these words
    a number           the last one

Numbers are compared by value: 0.5, 1/2 and 50% are one. Prose has no answer of this kind.
"""

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from gateway.exchange import Candidate

NUMBER = re.compile(r"(?<![\w.])[-−]?\d{1,18}(?:,\d{3}){0,6}(?:\.\d{1,30})?(?:/[1-9]\d{0,17})?%?")
SAID = re.compile(r"\banswer\s*(?:is|:|=)\s*([^\n]{1,200})", re.IGNORECASE)
FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)
BOXED = "\\boxed{"
LONGEST = 200  # characters of an answer in words


def answer_of(candidate: Candidate) -> str | None:
    """What stands for the answer, the same for answers that mean the same; None where there is nothing to compare."""
    text = candidate.text.strip()
    if not text:
        return _called(candidate.message)
    return _json(text) or _boxed(text) or _said(text) or _last_number(text)


def _called(message: Mapping[str, Any]) -> str | None:
    calls = message.get("tool_calls") or []
    told = [(call.get("function") or {}) for call in calls if isinstance(call, Mapping)]
    if not told:
        return None
    return "calls " + json.dumps([[each.get("name"), _ordered(each.get("arguments"))] for each in told])


def _ordered(arguments: Any) -> str:
    found = _json(arguments) if isinstance(arguments, str) else None
    return found or str(arguments)


def _json(text: str) -> str | None:
    fenced = FENCED.match(text)
    inner = (fenced.group(1) if fenced else text).strip()
    if inner[:1] not in {"{", "["}:
        return None
    try:
        return json.dumps(json.loads(inner), sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _boxed(text: str) -> str | None:
    start = text.rfind(BOXED)
    if start < 0:
        return None
    depth, begin = 1, start + len(BOXED)
    for place in range(begin, min(len(text), begin + LONGEST)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return _value(text[begin:place])
    return None


def _said(text: str) -> str | None:
    found = SAID.findall(text)
    return _value(found[-1]) if found else None


def _last_number(text: str) -> str | None:
    found = NUMBER.findall(text)
    return _number(found[-1]) if found else None


def _value(said: str) -> str | None:
    """A number where there is one in it, else its words without case, marks and spaces around them."""
    found = NUMBER.findall(said)
    if len(found) == 1:
        return _number(found[0])
    words = re.sub(r"[\s*_$`]+", " ", said.partition(". ")[0]).strip(" .,!;:\"'").casefold()
    return words or None


def _number(said: str) -> str:
    plain = said.replace(",", "").replace("−", "-")
    percent = plain.endswith("%")
    over, _, under = plain.rstrip("%").partition("/")
    value = Fraction(over) / int(under or 1)
    return f"= {value / 100 if percent else value}"
