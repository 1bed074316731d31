"""Exchanges under two policies: decided, compared, counted."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gateway.backtest.effect import Effect, Effects, Either, Outcomes, effect_of
from gateway.backtest.side import Unknown
from gateway.backtest.tally import Means, Sample, Tally, lot_of
from gateway.backtest.texts import Readable

Evidence = Mapping[str, Any]


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
    """Two policies on some exchanges; `counted` tells what came of it."""

    def __init__(self, effects: Effects, keep: int) -> None:
        self._effects = effects
        self.tally = Tally(keep)
        self._times: Counter[tuple[Effect, Means]] = Counter()

    def take(self, exchange_id: str, evidence: Evidence) -> bool:
        """Count an exchange; False where guards must be asked first, and then it is not counted yet."""
        effect = self._effects.of(evidence)
        if effect is None:
            return False
        self._count(exchange_id, effect, "from_scores")
        return True

    async def take_again(self, exchange_id: str, evidence: Evidence, texts: Readable) -> None:
        """Count an exchange, guards asked."""
        try:
            before = await outcomes_again(self._effects.before, evidence, texts)
            after = await outcomes_again(self._effects.after, evidence, texts)
        except Unknown as reason:
            self.tally.exchanges += 1
            self.tally.unknown[str(reason)] += 1
        else:
            self._count(exchange_id, effect_of(evidence, before, after), "by_guards")

    def _count(self, exchange_id: str, effect: Effect, means: Means) -> None:
        self._times[effect, means] += 1
        before, after = effect.change
        if before != after and self.tally.draws(effect.change, lot := lot_of(exchange_id)):
            self.tally.sample(Sample(lot, exchange_id, before, after, effect.found))

    def counted(self) -> Tally:
        """The count so far."""
        for (effect, means), times in self._times.items():
            self.tally.count(effect.change, means, times, effect.shifts, unanswered=effect.unanswered)
        self._times.clear()
        return self.tally
