"""What a request is to have of selection: its strategy, how many candidates, and its knobs, within all bounds. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.alignment import Alignment
from gateway.errors import BadRequest, Forbidden
from gateway.settings import GatewaySettings
from gateway.strategies import STRATEGIES
from gateway.strategies.best_of_poisson import drawn_n
from gateway.strategies.contract import PLAIN, Knobs, Reference
from gateway.strategies.dial import OWN_HEADS
from gateway.strength.caps import capped, most_n

# Which strategies a knob has a meaning for.
SOFT = ("soft_best_of_n", "pessimism")
POISSON = "best_of_poisson"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a request may ask for: the key's and the guard policy's bounds, within the gateway's limits."""

    max_n: int
    max_deadline_seconds: float
    may_explain: bool = True
    strategies: frozenset[str] | None = None  # None: every one
    dial: Mapping[str, tuple[float, float]] = field(
        default_factory=dict
    )  # least and most weight, by reward head


@dataclass(frozen=True, slots=True)
class Selection:
    """The strategy, the candidates to sample, and what may still change them."""

    strategy: str
    samples: int
    most: int  # candidates, that a risky prompt may have
    fixed: bool = True  # whether their number was asked for, and only load may change it
    knobs: Knobs = PLAIN
    adjusted: tuple[str, ...] = ()  # what was capped


def read_selection(
    asked: Alignment, returned: int, bounds: Bounds, settings: GatewaySettings, alias: str, seed: str
) -> Selection:
    """What was asked for, bounded and capped; raises BadRequest or Forbidden naming the field."""
    strategy = strategy_of(asked, returned, bounds, settings)
    if strategy == "single":
        if asked.n not in (None, returned):
            raise BadRequest("alignment.n must equal n for the strategy single", param="alignment.n")
        return Selection(strategy, returned, returned)
    if STRATEGIES[strategy].rewarded == "needed" and settings.reward.url is None:
        raise BadRequest(f"{strategy} needs a reward server; none is set up here", param="alignment.strategy")
    curve = settings.alignment.strength.get(alias)
    knobs, adjusted = capped(curve, strategy, knobs_of(asked, bounds, settings, alias, seed))
    if strategy == POISSON:
        samples = drawn_n(knobs, returned, bounds.max_n)
        return Selection(strategy, samples, samples, knobs=knobs, adjusted=adjusted)
    samples = asked.n or min(bounds.max_n, max(settings.alignment.n, returned))
    if not returned <= samples <= bounds.max_n:
        raise BadRequest(f"alignment.n must be from n ({returned}) to {bounds.max_n}", param="alignment.n")
    most, cap = max(samples, min(bounds.max_n, settings.alignment.n_at_risk or 1)), most_n(curve, strategy)
    if cap is not None:
        most = min(most, max(cap, returned))
        if samples > most:
            adjusted += (f"n capped from {samples} to {most}",)
            samples = most
    return Selection(strategy, samples, most, asked.n is not None, knobs, adjusted)


def strategy_of(asked: Alignment, returned: int, bounds: Bounds, settings: GatewaySettings) -> str:
    """The strategy that was asked for, by name or by a knob that only one has, or else the configured one."""
    named = asked.strategy or _implied(asked, returned, settings.alignment.strategy)
    allowed = bounds.strategies
    if allowed is None or (named or settings.alignment.strategy) in allowed:
        strategy = named or settings.alignment.strategy
    elif named is not None:
        told = f"this key's guard policy allows the strategies {', '.join(sorted(allowed))}"
        raise Forbidden(told, param="alignment.strategy")
    else:
        strategy = "single" if "single" in allowed else min(allowed & STRATEGIES.keys(), default="single")
    _check_meaning(asked, strategy)
    return strategy


def _implied(asked: Alignment, returned: int, usual: str) -> str | None:
    if asked.mu is not None:
        return POISSON
    if asked.temperature is not None:
        return usual if usual in SOFT else SOFT[0]
    if (asked.n is not None and asked.n > returned) or asked.dial is not None:
        return usual if STRATEGIES[usual].ranks and (usual != POISSON or asked.n is None) else "best_of_n"
    return None


def _check_meaning(asked: Alignment, strategy: str) -> None:
    meaningless = {
        "temperature": asked.temperature is not None and strategy not in SOFT,
        "mu": asked.mu is not None and strategy != POISSON,
        "n": asked.n is not None and strategy == POISSON,
        "dial": asked.dial is not None and STRATEGIES[strategy].rewarded == "unused",
    }
    for name, wrong in meaningless.items():
        if wrong:
            told = "n is drawn by mu" if name == "n" else "it has no meaning there"
            raise BadRequest(
                f"alignment.{name} does not go with {strategy}: {told}", param=f"alignment.{name}"
            )


def knobs_of(asked: Alignment, bounds: Bounds, settings: GatewaySettings, alias: str, seed: str) -> Knobs:
    """The request's knobs, and the configured ones where it has none."""
    usual = settings.alignment
    if asked.mu is not None and asked.mu > bounds.max_n - 1:
        raise BadRequest(f"alignment.mu must be at most {bounds.max_n - 1}", param="alignment.mu")
    references = {
        head: Reference(told.mean, told.sd) for head, told in usual.references.get(alias, {}).items()
    }
    return Knobs(
        temperature=usual.temperature if asked.temperature is None else asked.temperature,
        mu=min(usual.mu, bounds.max_n - 1) if asked.mu is None else asked.mu,
        dial=dial_of(asked.dial, bounds, settings),
        references=references,
        seed=seed,
    )


def dial_of(asked: Mapping[str, float] | None, bounds: Bounds, settings: GatewaySettings) -> dict[str, float]:
    """The weights by reward head: those asked for, and of the heads left out the least that the policy allows."""
    if asked is None:
        return {}
    known = dict.fromkeys((*OWN_HEADS, *settings.reward.heads))
    for head, weight in asked.items():
        param = f"alignment.dial.{head}"
        if head not in known:
            raise BadRequest(
                f"{param}: the reward model here has no such head; there are {', '.join(known)}", param=param
            )
        least, most = bounds.dial.get(head, (0.0, 1.0))
        if not least <= weight <= most:
            raise BadRequest(f"{param} must be from {least:g} to {most:g}", param=param)
    weights = {head: asked.get(head, bounds.dial.get(head, (0.0, 1.0))[0]) for head in known}
    if not any(weights.values()):
        raise BadRequest("alignment.dial must weigh at least one head above 0", param="alignment.dial")
    return {head: weight for head, weight in weights.items() if weight}
