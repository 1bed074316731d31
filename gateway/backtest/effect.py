"""What another policy would change about an exchange: found from its evidence, once for all that are alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.backtest.ending import Ending, ending, reward
from gateway.backtest.past import Found, Outcome
from gateway.backtest.side import Recorded, Side, Wanting
from gateway.backtest.swift import Sign, shape_of
from gateway.backtest.tally import Change, Shift, shifts_of
from guards.verdict import Action, Segment, Where

Evidence = Mapping[str, Any]
Either = Side | Recorded
PROMPT: Where = "prompt"
REPLY: Where = "reply"
ALIKE = 100_000  # kinds of exchanges that are remembered at a time


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """How exchanges of one kind end under both policies, and what the second finds otherwise."""

    change: Change
    unanswered: bool = False
    shifts: frozenset[Shift] = frozenset()
    found: tuple[tuple[str, str, str], ...] = ()  # direction, guard, hazard: of what the second finds


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What one policy makes of an exchange."""

    prompt: Outcome | None
    candidates: tuple[Outcome | None, ...]

    def found(self) -> dict[Where, list[Found]]:
        """All that it finds, by side."""
        replies = [each for each in self.candidates if each is not None]
        return {
            "prompt": list(self.prompt.found) if self.prompt else [],
            "reply": [one for each in replies for one in each.found],
        }


class Effects:
    """Two policies, and what is known of the kinds of exchanges that were met so far."""

    def __init__(self, before: Either, after: Either) -> None:
        self.before = before
        self.after = after
        self._known: dict[Sign, Effect | None] = {}

    def of(self, evidence: Evidence) -> Effect | None:
        """The effect on an exchange; None where guards must be asked first."""
        sign = self._sign(evidence)
        if sign is None:
            return self._found(evidence)
        try:
            return self._known[sign]
        except KeyError:
            if len(self._known) >= ALIKE:
                self._known.clear()
            effect = self._known[sign] = self._found(evidence)
            return effect

    def _found(self, evidence: Evidence) -> Effect | None:
        try:
            before, after = outcomes(self.before, evidence), outcomes(self.after, evidence)
        except Wanting:
            return None
        return effect_of(evidence, before, after)

    def _sign(self, evidence: Evidence) -> Sign | None:
        """What exchanges that both policies decide alike have in common; None where that is not to be told."""
        prompt, candidates = evidence["p"], evidence["c"]
        signs: list[Any] = [evidence["w"], prompt is not None and prompt["a"]]
        for said, where in [(prompt, PROMPT), *[(said, REPLY) for said, _ in candidates]]:
            if said is None:
                signs.append(None)
                continue
            shape = shape_of(said, where)
            if shape is None:
                return None
            signs.append(self.before.sign(said, where, shape))
            signs.append(self.after.sign(said, where, shape))
        if len(candidates) > 1:
            signs.append(ranking([found for _, found in candidates]))
        return tuple(signs)


def ranking(rewards: list[float | None]) -> tuple[int, ...]:
    """The candidates' places, the best one's first."""
    return tuple(sorted(range(len(rewards)), key=lambda place: (-reward(rewards[place]), place)))


def outcomes(side: Either, evidence: Evidence) -> Outcomes:
    """From the evidence alone; raises Wanting."""
    prompt = evidence["p"]
    return Outcomes(
        None if prompt is None else side.outcome(prompt, "prompt"),
        tuple(None if said is None else side.outcome(said, "reply") for said, _ in evidence["c"]),
    )


def effect_of(evidence: Evidence, before: Outcomes, after: Outcomes) -> Effect:
    """What lies between the two."""
    old = ends(evidence, before)
    if before == after:
        return Effect((old.action.word, old.action.word))
    new = ends(evidence, after)
    shifts = shifts_of(before.found(), after.found())
    return Effect((old.action.word, new.action.word), new.unanswered, frozenset(shifts), told(after.found()))


def ends(evidence: Evidence, made: Outcomes) -> Ending:
    """How the exchange ends under a policy."""
    prompt = evidence["p"]
    refused_then = prompt is not None and Action(prompt["a"]).withholds
    rewards = [found for _, found in evidence["c"]]
    return ending(made.prompt, made.candidates, rewards, evidence["w"], refused_then=refused_then)


def told(found: Mapping[Where, Iterable[Found]]) -> tuple[tuple[str, str, str], ...]:
    """What a sample shows of it, each once."""
    return tuple(
        sorted(
            {
                (Segment("", where, one.part).direction, one.guard, one.hazard)
                for where, several in found.items()
                for one in several
            }
        )
    )
