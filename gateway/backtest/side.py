"""One of the two policies that are compared: what it makes of an exchange's evidence."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.backtest.past import FAILED, Found, Outcome, outcome_then, record_of
from gateway.backtest.swift import Sign, Swift
from gateway.backtest.texts import Readable, known_texts
from guards.hindsight.again import Again, TextMissing, ToolsMissing
from guards.hindsight.decide import Decider, Decision
from guards.policy.load import GuardPolicy
from guards.unscanned import GUARD as UNREAD
from guards.verdict import Segment, Where

Evidence = Mapping[str, Any]
Panels = Mapping[str, Mapping[str, str]]


class Wanting(Exception):
    """The evidence is not enough; with the exchange's texts it may be."""


class Unknown(Exception):
    """What the policy would decide cannot be known; the text is the reason, in a word or two."""


class Recorded:
    """No policy: what was done at the time."""

    def sign(self, said: Evidence, where: Where, shape: Sign) -> Sign:
        """What screenings of the same outcome have in common."""
        if "d" not in said:
            return (said["a"],)
        return (said["a"], *map(tuple, said["d"]), *map(tuple, said.get("f", ())))

    def outcome(self, said: Evidence, where: Where) -> Outcome:
        """From the evidence."""
        return outcome_then(said)

    async def outcome_again(self, said: Evidence, where: Where, place: int, texts: Readable) -> Outcome:
        """The same: nothing was ever wanting."""
        return outcome_then(said)


class Side:
    """A policy, and the ways to its decisions: from stored scores, or by asking guards."""

    def __init__(self, policy: GuardPolicy, panels: Panels) -> None:
        self.decider = Decider(policy)
        self._panels = panels
        self._swift = Swift(self.decider)
        self._again = Again(self.decider)

    def sign(self, said: Evidence, where: Where, shape: Sign) -> Sign:
        """What screenings of the same outcome have in common."""
        return self._swift.sign(said, where, shape)

    def outcome(self, said: Evidence, where: Where) -> Outcome:
        """The decision on a screening, from its evidence alone; raises Wanting."""
        if not is_placed(said):
            raise Wanting
        decision = self.decider.decide(record_of(said, where, self._panels.get(said["g"], {})))
        if not decision.want.nothing:
            raise Wanting
        return outcome_of(decision)

    async def outcome_again(self, said: Evidence, where: Where, place: int, texts: Readable) -> Outcome:
        """The decision with guards asked where they must be; raises Unknown."""
        found = texts.of_prompt() if where == "prompt" else texts.of_candidate(place)
        if not is_placed(said):
            said = placed(said, found)
        panel = self._panels.get(said["g"], {})
        record = record_of(said, where, panel, known_texts(said, found, cut=texts.cut))
        try:
            return outcome_of(await self._again.decide(record, texts.context))
        except ToolsMissing:
            raise Unknown("the request's tools were not kept") from None
        except TextMissing:
            redacted = texts.cut or bool(said.get("r"))
            raise Unknown("text was redacted" if redacted else "text was not kept") from None


def is_placed(said: Evidence) -> bool:
    """Whether it is known which verdict belongs to which segment; of old exchanges it is not.

    Nor is it of a stream that broke off, of which only what was found by then is kept.
    """
    if said["s"]:
        return sum(said["n"]) == len(said["v"])
    found = any(guard != UNREAD for guard, *_ in said.get("d", ()))
    return said["s"] is not None and not said["v"] and not found


def placed(said: Evidence, found: Sequence[Segment]) -> Evidence:
    """The evidence of a screening whose segments are those of the texts that were kept, with no verdict."""
    bare = {key: said[key] for key in ("a", "g", "r", "u", "d") if key in said}
    parts, ages = [each.part for each in found], [each.turns_ago for each in found]
    return {**bare, "s": parts, "t": ages, "n": [0] * len(parts), "b": [], "v": []}


def outcome_of(decision: Decision) -> Outcome:
    """A decision as it is compared."""
    found = [Found(one.guard, one.hazard, one.action, one.part) for one in decision.findings]
    found += [Found(one.guard, FAILED, one.action) for one in decision.failures]
    return Outcome(decision.action, tuple(found))
