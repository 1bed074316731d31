"""Whether an engine gives an answer's tokens the log-probabilities that training does. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 8  # tokens that must be compared in all, where so many may be said
ENDS = 1  # token by which two answers may differ in length: not everybody counts the one that ends a turn


@dataclass(frozen=True, slots=True)
class Couple:
    """The log-probabilities of one answer's tokens, here and from an engine."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def apart(self) -> list[float]:
        """By how much they differ, token by token as far as both go."""
        return [abs(a - b) for a, b in zip(self.ours, self.theirs, strict=False)]

    @property
    def uneven(self) -> bool:
        """Whether one answer is longer than the other, but for the token that ends it."""
        return abs(len(self.ours) - len(self.theirs)) > ENDS


def disparity(couples: Sequence[Couple], most: float, tokens: int) -> str:
    """What speaks against their being the same, in words; nothing where they are. `tokens` each answer may have."""
    apart = [each for couple in couples for each in couple.apart]
    fewest = max(1, min(FEWEST, tokens * len(couples)))
    if len(apart) < fewest or not all(couple.apart for couple in couples):
        return (
            f"log-probabilities of {len(apart)} tokens of {len(couples)} answers could be compared; of {fewest}, "
            "and of each answer, they must be: does the engine answer `logprobs`?"
        )
    far = [each for each in apart if not each <= most]  # what is no number is not near
    if far:
        return f"log-probabilities differ by {max(far):.3f} nats between training and engine"
    if any(couple.uneven for couple in couples):
        return "training and engine say the same tokens, and one of them stops before the other"
    return ""
