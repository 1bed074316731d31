"""How many candidates to sample: what was asked for, fewer under load, more where the prompt is risky. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizing:
    """How n follows a prompt's risk: from `above` on it rises towards `most`, which it reaches at 1."""

    most: int
    above: float = 0.5  # a probability, 0 to 1


def lowered(samples: int, returned: int, load: float) -> int:
    """How many candidates a load from 0 to 1 leaves: all of them at 0, no more than are returned at 1."""
    return returned + int((samples - returned) * (1.0 - load))


def raised(samples: int, risk: float, sizing: Sizing) -> int:
    """How many candidates a prompt's risk from 0 to 1 deserves; never fewer than without it."""
    if risk <= sizing.above or sizing.most <= samples:
        return samples
    return samples + round((sizing.most - samples) * (risk - sizing.above) / (1.0 - sizing.above))


def sized(samples: int, returned: int, load: float, risk: float, sizing: Sizing) -> int:
    """Both together: a risky prompt gets more, and less of that the more there is to do."""
    return lowered(raised(samples, risk, sizing), returned, load) if load else raised(samples, risk, sizing)
