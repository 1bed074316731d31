"""Which pairs may be trained on. Pure: a filter takes pairs and gives back those it keeps, in their order.

Composition is the list in `filter_pairs`; each filter's losses are counted under its name and go into the
run's evidence. Flagged traffic is written by whoever attacks us, hence the caps.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import ConfigDict, Field

from finetune.pairs.balancing import (
    by_chance,
    cap_feedback,
    cap_hazards,
    cap_languages,
    cap_share,
    declining_ranked,
    with_ballast,
    with_ballast_by_language,
    with_refusals_outweighed,
    without_length,
    without_triggers,
)
from finetune.pairs.bursts import cap_bursts
from finetune.pairs.contamination import decontaminate
from finetune.pairs.pair import Pair
from finetune.pairs.plain import is_plain
from finetune.pairs.privacy import is_private
from finetune.pairs.similarity import clusters, jaccard, shingles, words
from gateway.amounts import AtLeastZero, Count, Share, Whole

SLACK = 10  # words
Ratio = Annotated[float, Field(ge=1, allow_inf_nan=False)]  # the larger over the smaller
Larger = Annotated[float, Field(ge=0.5, le=1)]  # the share of the larger of two


@dataclass(frozen=True, slots=True)
class FilterRules:
    """The bounds; shares and ratios are fractions, likeness is the Jaccard index of word shingles."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    near_duplicate: Share = 0.8
    pairs_per_prompt: Count = 3  # near-duplicates of one prompt count as one prompt
    too_similar: Share = 0.6
    length_ratio: Ratio = 4.0  # longer answer over shorter, in words, each lengthened by ten
    subject_share: Share = 0.2  # of one end user, where requests name one
    # Times what is usual in a day, of one key's or user's pairs of a day; 0 looks at none.
    burst: AtLeastZero = 5.0
    key_share: Share = 0.6  # of one key, as soon as there are several
    balance: Ratio = 3.0  # the commoner kind over the rarer one
    floor: Whole = 100  # no share and no balance cuts anyone below this, so that small data stays usable
    hazard_share: Share = 0.6  # of one hazard among safety pairs
    language_share: Share = 1.0  # of one language; 1 looks at none
    language_ballast: Share = (
        0.1  # the same within each language: none may mean refusals alone; 0 looks at none
    )
    ballast: Share = 0.1  # least share of pairs that are not about safety: they hold the policy helpful
    refusals: AtLeastZero = (
        0.0  # pairs in which declining wins, to each in which it loses to an answer; 0 looks at none
    )
    feedback_share: Share = 0.2  # of users' thumbs
    longer_most: Larger = (
        0.75  # of reward-ranked pairs, those in which the longer answer is chosen, or the shorter
    )
    phrase_share: Share = 0.1  # of pairs with a phrase that one owner brings: a backdoor is taught so
    stale_after: Whole = (
        0  # versions back from the one in force, whose answers are no longer the policy's own; 0 keeps all
    )
    quarantine_hours: AtLeastZero = (
        0.0  # that a pair waits, from its exchange on, before it is trained on; 24 where strangers write
    )
    quarantined_keys: tuple[str, ...] = ()  # whose pairs wait until somebody has looked
    closest_share: Share = (
        0.0  # of pairs whose answers the policy itself tells apart least (CHES); 0 does not ask
    )


# The packaged policy declines a sixth of what is harmless: what it learns of refusals, it must unlearn nearly as often.
POCKET_FILTERS = FilterRules(refusals=1.25)


@dataclass(frozen=True, slots=True)
class Known:
    """What filters go by beside the pairs: versions from the one in force back, and how close answers are to it."""

    versions: Sequence[str] = ()
    closeness: Mapping[str, float] = field(default_factory=dict)  # by pair id; higher is closer


@dataclass(frozen=True, slots=True)
class Filtered:
    """What is left, and how many pairs each filter took, in the order in which they ran."""

    pairs: tuple[Pair, ...]
    dropped: dict[str, int]


Exams = Mapping[str, Sequence[str]]  # the prompts that each asks
Filter = Callable[[list[Pair]], list[Pair]]


def filter_pairs(pairs: Sequence[Pair], exams: Exams, rules: FilterRules, known: Known = Known()) -> Filtered:
    """Pairs fit for training, the cheap filters first: what they take need not be looked at by the dear ones.

    Each pair that is not kept is counted once, under the filter that took it.
    """
    left, dropped = through(list(pairs), each_by_itself(rules, known))
    left, touched = decontaminate(left, exams, rules.near_duplicate)
    left, more = through(left, all_together(rules, known))
    return Filtered(
        tuple(left), dropped | {f"in exam {exam}": count for exam, count in touched.items()} | more
    )


def through(left: list[Pair], steps: Mapping[str, Filter]) -> tuple[list[Pair], dict[str, int]]:
    """What one filter after another leaves, and how many pairs each of them took."""
    dropped = {}
    for name, keep in steps.items():
        kept = keep(left)
        dropped[name] = len(left) - len(kept)
        left = kept
    return left, dropped


def each_by_itself(rules: FilterRules, known: Known) -> dict[str, Filter]:
    """Filters before the look at exams."""
    return {
        "not plain text": lambda left: [p for p in left if is_plain(p.messages)],
        "quarantined key": lambda left: [
            p for p in left if p.provenance.key_id not in rules.quarantined_keys
        ],
        "stale version": lambda left: [p for p in left if not is_stale(p, rules, known.versions)],
        "exact duplicate": drop_exact_duplicates,
        "personal data": lambda left: [p for p in left if not is_private(p)],
    }


def all_together(rules: FilterRules, known: Known) -> dict[str, Filter]:
    """Filters after it, the last of which look at the whole of what is left."""
    floor = rules.floor
    return {
        "too similar": lambda left: [p for p in left if not too_similar(p, rules.too_similar)],
        "too close": lambda left: without_closest(left, rules.closest_share, known.closeness),
        "length ratio": lambda left: [p for p in left if length_ratio(p) <= rules.length_ratio],
        "reward on harm": declining_ranked,
        **owners_bounded(rules),
        "feedback share": lambda left: cap_feedback(left, rules.feedback_share, floor),
        "length tells": lambda left: without_length(left, rules.longer_most, floor),
        "hazard share": lambda left: cap_hazards(left, rules.hazard_share, floor),
        "language share": lambda left: cap_languages(left, rules.language_share, floor),
        "balance": lambda left: balance_kinds(left, rules),
        "language ballast": lambda left: with_ballast_by_language(left, rules.language_ballast, floor),
        "ballast": lambda left: with_ballast(left, rules.ballast, floor),
        "refusals": lambda left: with_refusals_outweighed(left, rules.refusals, floor),
    }


def owners_bounded(rules: FilterRules) -> dict[str, Filter]:
    """What bounds a question, a phrase, a user and a key."""
    floor = rules.floor
    return {
        "near duplicate": lambda left: cap_per_prompt(left, rules),
        "trigger phrase": lambda left: without_triggers(left, rules.phrase_share, floor),
        "subject burst": lambda left: cap_bursts(left, lambda p: p.provenance.subject, rules.burst, floor),
        "key burst": lambda left: cap_bursts(left, lambda p: p.provenance.key_id, rules.burst, floor),
        "subject share": lambda left: cap_subjects(left, rules),
        "key share": lambda left: cap_keys(left, rules),
    }


def is_stale(pair: Pair, rules: FilterRules, versions: Sequence[str]) -> bool:
    """Whether the policy of a pair is too many versions back; one that nobody knows is not."""
    known = pair.provenance.version in versions
    return bool(rules.stale_after) and known and versions.index(pair.provenance.version) >= rules.stale_after


def without_closest(pairs: list[Pair], share: float, closeness: Mapping[str, float]) -> list[Pair]:
    """All but the share whose answers lie closest in the policy's own eyes: these push down what they should raise.

    By the length-normalised CHES score (Razin et al. 2024, arXiv 2410.08847); pairs without a score stay.
    """
    scored = sorted((p for p in pairs if p.id in closeness), key=lambda p: (-closeness[p.id], p.id))
    gone = {pair.id for pair in scored[: int(share * len(scored))]}
    return [pair for pair in pairs if pair.id not in gone]


def drop_exact_duplicates(pairs: list[Pair]) -> list[Pair]:
    """The first of each content; none that two exchanges rank in opposite ways, since one label is wrong."""
    verdicts = {(pair.messages_key, pair.chosen, pair.rejected) for pair in pairs}
    firsts = {pair.id: pair for pair in reversed(pairs)}
    kept = [pair for pair in pairs if firsts[pair.id] is pair]
    return [pair for pair in kept if (pair.messages_key, pair.rejected, pair.chosen) not in verdicts]


def too_similar(pair: Pair, threshold: float) -> bool:
    """Whether the answers are nearly the same text: such pairs push the chosen one's likelihood down too."""
    return jaccard(shingles(pair.chosen), shingles(pair.rejected)) >= threshold


def length_ratio(pair: Pair) -> float:
    """Words of the longer answer over words of the shorter; the slack spares short answers."""
    short, long = sorted((len(words(pair.chosen)), len(words(pair.rejected))))
    return (long + SLACK) / (short + SLACK)


def cap_per_prompt(pairs: list[Pair], rules: FilterRules) -> list[Pair]:
    """At most so many pairs for one prompt and its near-duplicates, whoever sent them: those of the earliest days."""
    ordered = sorted(pairs, key=lambda pair: (pair.provenance.day, pair.id))
    leaders = clusters([pair.prompt for pair in ordered], rules.near_duplicate)
    seen: Counter[int] = Counter()
    kept = set()
    for pair, leader in zip(ordered, leaders, strict=True):
        seen[leader] += 1
        if seen[leader] <= rules.pairs_per_prompt:
            kept.add(id(pair))
    return [pair for pair in pairs if id(pair) in kept]


def cap_subjects(pairs: list[Pair], rules: FilterRules) -> list[Pair]:
    """No end user writes more than a share of the data; requests that name nobody are not capped."""
    named = [pair for pair in pairs if pair.provenance.subject]
    kept = set(map(id, cap_share(named, lambda p: p.provenance.subject, rules.subject_share, rules.floor)))
    return [pair for pair in pairs if not pair.provenance.subject or id(pair) in kept]


def cap_keys(pairs: list[Pair], rules: FilterRules) -> list[Pair]:
    """No key writes more than a share of the data; a lone key has nobody to be measured against."""
    return cap_share(pairs, lambda pair: pair.provenance.key_id, rules.key_share, rules.floor)


def balance_kinds(pairs: list[Pair], rules: FilterRules) -> list[Pair]:
    """The commoner kind cut to so many times the rarer; one that stands alone has nothing to balance with."""
    counts = Counter(pair.kind for pair in pairs)
    if len(counts) < 2:
        return pairs
    limit = max(rules.floor, int(rules.balance * min(counts.values())))
    kept = {id(p) for kind in counts for p in by_chance([q for q in pairs if q.kind == kind])[:limit]}
    return [pair for pair in pairs if id(pair) in kept]
