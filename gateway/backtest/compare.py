"""Exchanges under two policies: decided, compared, counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.backtest.ending import Ending, ending
from gateway.backtest.past import Found, Outcome
from gateway.backtest.side import Recorded, Side, Unknown, Wanting
from gateway.backtest.tally import Sample, Tally, lot_of, shifts_of
from gateway.backtest.texts import Readable
from guards.verdict import Action, Segment, Where

Evidence = Mapping[str, Any]
Either = Side | Recorded


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


def outcomes(side: Either, evidence: Evidence) -> Outcomes:
    """From the evidence alone; raises Wanting."""
    prompt = evidence["p"]
    return Outcomes(
        None if prompt is None else side.outcome(prompt, "prompt"),
        tuple(None if said is None else side.outcome(said, "reply") for said, _ in evidence["c"]),
    )


async def outcomes_again(side: Either, evidence: Evidence, texts: Readable) -> Outcomes:
    """With guards asked where they must be; raises Unknown."""
    prompt = evidence["p"]
    return Outcomes(
        None if prompt is None else await side.outcome_again(prompt, "prompt", 0, texts),
        tuple(
            [
                None if said is None else await side.outcome_again(said, "reply", place, texts)
                for place, (said, _) in enumerate(evidence["c"])
            ]
        ),
    )


class Comparison:
    """Two policies, and what has been counted so far."""

    def __init__(self, before: Either, after: Either, keep: int) -> None:
        self.before = before
        self.after = after
        self.tally = Tally(keep)

    def take(self, exchange_id: str, evidence: Evidence) -> bool:
        """Count an exchange; False where guards must be asked first, and then it is not counted yet."""
        try:
            before, after = outcomes(self.before, evidence), outcomes(self.after, evidence)
        except Wanting:
            return False
        self._count(exchange_id, evidence, before, after, "from_scores")
        return True

    async def take_again(self, exchange_id: str, evidence: Evidence, texts: Readable) -> None:
        """Count an exchange, guards asked."""
        try:
            before = await outcomes_again(self.before, evidence, texts)
            after = await outcomes_again(self.after, evidence, texts)
        except Unknown as reason:
            self.tally.exchanges += 1
            self.tally.unknown[str(reason)] += 1
        else:
            self._count(exchange_id, evidence, before, after, "by_guards")

    def _count(
        self, exchange_id: str, evidence: Evidence, before: Outcomes, after: Outcomes, means: str
    ) -> None:
        tally = self.tally
        tally.exchanges += 1
        tally.means[means] += 1
        if before == after:
            action = ends(evidence, before).action.word
            tally.actions[action, action] += 1
            return
        old, new = ends(evidence, before), ends(evidence, after)
        change = old.action.word, new.action.word
        tally.actions[change] += 1
        tally.unanswered += new.unanswered
        tally.shifts.update(shifts_of(before.found(), after.found()))
        if change[0] != change[1]:
            tally.sample(Sample(lot_of(exchange_id), exchange_id, *change, told(after.found())))


def ends(evidence: Evidence, made: Outcomes) -> Ending:
    """How the exchange ends under a policy."""
    prompt = evidence["p"]
    refused_then = prompt is not None and Action(prompt["a"]).withholds
    rewards = [reward for _, reward in evidence["c"]]
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
