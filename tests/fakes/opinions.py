"""Guards that say what the text tells them to: `first=0.7` makes the guard `first` sure to 0.7, `first=away` fail."""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from guards.kinds import Kind, Reach
from guards.policy.load import read_policy
from guards.screen import Screen
from guards.verdict import Context, GuardFailed, GuardUnavailable, Segment, Verdict, Where

HAZARD = "hte"


class Nothing(BaseModel):
    """They need no config."""


class Told:
    """Waits for nobody, but is asked as one that does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown: list[str] = []

    async def check(self, segment: Segment, context: Context) -> Verdict:
        self.shown.append(segment.text)
        return self.said(segment.text)

    def said(self, text: str) -> Verdict:
        found = re.search(rf"\b{self.name}=(\S+)", text)
        word = found.group(1) if found else "0"
        if word == "away":
            raise GuardUnavailable("is away")
        if word == "raves":
            raise GuardFailed("raves")
        return Verdict(self.name, {HAZARD: float(word)})


class Reckoned(Told):
    """The same, whose verdicts rest on the text alone."""

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        return (segment.text,)

    def weighs(self, segment: Segment, context: Context) -> int:
        return len(segment.text)

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        self.shown.append(segment.text)
        return self.said(segment.text)


class Telling:
    """The kind of guards that say what they are told, all of one class."""

    config = Nothing

    def __init__(self, guards: type[Told]) -> None:
        self._guards = guards
        self.built: dict[str, Told] = {}

    def hazards(self, config: Nothing, where: Where) -> frozenset[str]:
        return frozenset({HAZARD})

    def located(self, config: Nothing) -> frozenset[str]:
        return frozenset()

    def reach(self, config: Nothing, hazards: frozenset[str]) -> Reach:
        return Reach()

    def revision(self, config: Nothing) -> str:
        return "1"

    def build(self, name: str, config: Nothing) -> Told:
        return self.built.setdefault(name, self._guards(name))


def opinions() -> dict[str, Telling]:
    """Kinds: `told` asks somebody, `reckoned` computes."""
    return {"told": Telling(Told), "reckoned": Telling(Reckoned)}


def screen_of(text: str, kinds: Mapping[str, Kind]) -> Screen:
    """The screen of a policy that names these kinds."""
    return Screen(read_policy(text, "opinions.yaml", Path(), kinds), kinds)
