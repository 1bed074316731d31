"""What a set of pairs is made of, and what of it a training would suffer from, in lines for people. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from finetune.pairs.filters import FilterRules
from finetune.pairs.manner import declining, manners_of
from finetune.pairs.pair import Pair

MUCH = 0.2  # of all pairs: a filter that takes more is named
FILTERS, START = "docs/pairs.md#filters", "docs/learning-loop.md#where-one-starts"
# The field of finetune.filters that bounds each filter; some have none.
BOUNDS = {
    "quarantined key": "quarantined_keys",
    "stale version": "stale_after",
    "too similar": "too_similar",
    "too close": "closest_share",
    "length ratio": "length_ratio",
    "near duplicate": "pairs_per_prompt",
    "trigger phrase": "phrase_share",
    "subject burst": "burst",
    "key burst": "burst",
    "subject share": "subject_share",
    "key share": "key_share",
    "feedback share": "feedback_share",
    "length tells": "longer_most",
    "hazard share": "hazard_share",
    "language share": "language_share",
    "balance": "balance",
    "language ballast": "language_ballast",
    "ballast": "ballast",
    "refusals": "refusals",
}


@dataclass(frozen=True, slots=True)
class Composition:
    """How many pairs are of which kind, and in how many declining wins over answering, or loses to it."""

    kinds: dict[str, int]
    declining_wins: int
    declining_loses: int

    def lopsided(self, rules: FilterRules) -> tuple[str, ...]:
        """A line for each balance that the rules ask for and that small data cannot have: none is cut below a floor."""
        safety = self.kinds.get("safety", 0)
        others = sum(self.kinds.values()) - safety
        if safety and not others:
            return (
                f"all {safety} pairs are about safety: who learns nothing else learns to refuse ({START})",
            )
        found = []
        many, few = max(safety, others), min(safety, others)
        if few and floor_holds(many, rules.balance * few, rules.floor):
            told = f"{safety} pairs about safety, {others} others"
            found.append(unbalanced(told, "balance", rules.balance, rules.floor))
        most = rules.refusals * self.declining_loses
        if rules.refusals and floor_holds(self.declining_wins, most, rules.floor):
            told = f"declining wins in {self.declining_wins} pairs and loses in {self.declining_loses}"
            found.append(unbalanced(told, "refusals", rules.refusals, rules.floor))
        return tuple(found)


def composition_of(pairs: Sequence[Pair]) -> Composition:
    """What these pairs are; how one declines is read off them, and where they do not tell, nothing is counted."""
    manners = manners_of(pairs)
    leanings = Counter(declining(pair, manners) for pair in pairs)
    return Composition(dict(Counter(pair.kind for pair in pairs)), leanings[1], leanings[-1])


def floor_holds(count: int, most: float, floor: int) -> bool:
    """Whether there are more than a rule allows, and the floor alone keeps them."""
    return int(most) < count <= floor


def unbalanced(told: str, field: str, bound: float, floor: int) -> str:
    """What could not be had, why, and what comes of it."""
    asked = f"filters.{field} asks for {bound:g} to 1, but cuts none below filters.floor ({floor})"
    return f"{told}: {asked}; a version of so few may over-refuse ({START})"


def greedy(kept: int, dropped: Mapping[str, int]) -> tuple[str, ...]:
    """A line for each filter that took more than a fifth of all pairs, with the setting that bounds it."""
    taken = {name: count for name, count in dropped.items() if not name.startswith("ratings: ")}
    total = kept + sum(taken.values())
    return tuple(
        f"filter `{name}` took {count} of {total} pairs{setting_of(name)} ({FILTERS})"
        for name, count in taken.items()
        if count > MUCH * total
    )


def setting_of(name: str) -> str:
    """The setting of a filter, in brackets of words; nothing where there is none."""
    field = "near_duplicate" if name.startswith("in exam ") else BOUNDS.get(name)
    return f": finetune.filters.{field}" if field else ""
