"""Guards whose verdicts are drawn from a hash of their name and the text: any at all, and always the same."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from guards.kinds import Kind, Reach
from guards.policy.load import GuardPolicy, read_policy
from guards.verdict import Context, GuardFailed, Segment, Span, Verdict, Where

HAZARDS = ("hte", "vcr", "G.pii")


class Salted(BaseModel):
    """`salt` changes every verdict."""

    salt: int = 0


class Drawn:
    """Asks somebody, as far as anybody can see."""

    def __init__(self, name: str, config: Salted) -> None:
        self.name, self.salt = name, config.salt

    async def check(self, segment: Segment, context: Context) -> Verdict:
        return self.drawn(segment.text)

    def drawn(self, text: str) -> Verdict:
        dice = sha256(f"{self.name}{self.salt}{text}".encode()).digest()
        if dice[0] < 20:
            raise GuardFailed("drew a failure")
        if dice[0] < 60:
            return Verdict(self.name, {})
        scores = {
            hazard: dice[place] / 255 for place, hazard in enumerate(HAZARDS, 1) if dice[place + 8] < 160
        }
        spans = [Span(dice[20] % (len(text) + 1), len(text), "G.pii")] if dice[21] < 128 else []
        return Verdict(self.name, scores, tuple(spans))


class Reckoned(Drawn):
    """Waits for nobody."""

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        return (segment.text,)

    def weighs(self, segment: Segment, context: Context) -> int:
        return len(segment.text)

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        return self.drawn(segment.text)


class Drawing:
    """The kind of such guards."""

    config = Salted

    def __init__(self, guards: type[Drawn]) -> None:
        self._guards = guards

    def hazards(self, config: Salted, where: Where) -> frozenset[str]:
        return frozenset(HAZARDS)

    def located(self, config: Salted) -> frozenset[str]:
        return frozenset(HAZARDS)

    def reach(self, config: Salted, hazards: frozenset[str]) -> Reach:
        return Reach()

    def revision(self, config: Salted) -> str:
        return "1"

    def build(self, name: str, config: Salted) -> Drawn:
        return self._guards(name, config)


KINDS: Mapping[str, Kind] = {"drawn": Drawing(Drawn), "reckoned": Drawing(Reckoned)}


def policy_of(document: Mapping[str, Any]) -> GuardPolicy:
    """The policy of a document."""
    return read_policy(json.dumps(document), "drawn.yaml", Path(), KINDS)
