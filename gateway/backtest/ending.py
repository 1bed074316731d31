"""How an exchange ends, from what a policy makes of its prompt and of each candidate. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.backtest.past import Outcome
from guards.verdict import Action


@dataclass(frozen=True, slots=True)
class Ending:
    """The action in the end, as the ledger counts it; `unanswered` where a prompt passes that no model was asked."""

    action: Action
    unanswered: bool = False


def ending(
    prompt: Outcome | None,
    candidates: Sequence[Outcome | None],
    rewards: Sequence[float | None],
    chosen: int | None,
    *,
    refused_then: bool = False,
) -> Ending:
    """The winner stays while it may be delivered; else the best that may, and where none may, refusal."""
    action = Action.ALLOW if prompt is None else prompt.action
    if action.withholds:
        return Ending(action)
    if not candidates:
        return Ending(action, unanswered=refused_then)
    safe = [place for place, each in enumerate(candidates) if each is not None and not each.action.withholds]
    if not safe:
        return Ending(max(action, Action.REFUSE))
    winner = chosen if chosen in safe else max(safe, key=lambda place: (reward(rewards[place]), -place))
    best = candidates[winner]
    return Ending(max(action, best.action) if best is not None else action)


def reward(found: float | None) -> float:
    """As best-of-n ranks it."""
    return float("-inf") if found is None else found
