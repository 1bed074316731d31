"""Which pairs may be trained on. Pure: a filter takes pairs and gives back those it keeps, in their order.

Composition is the list in `filter_pairs`; each filter's losses are counted under its name and go into the
run's evidence. Flagged traffic is written by whoever attacks us, hence the caps.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ConfigDict

from finetune.pairs.balancing import (
    by_chance,
    cap_feedback,
    cap_hazards,
    cap_languages,
    cap_share,
    with_ballast,
    without_length,
    without_triggers,
)
from finetune.pairs.pair import Pair
from finetune.pairs.plain import is_plain
from finetune.pairs.privacy import is_private
from finetune.pairs.similarity import Known as LikeTexts
from finetune.pairs.similarity import clusters, jaccard, shingles, words

SLACK = 10  # words
NGRAM = 13  # a shared run of so many words is contamination however long the texts are


@dataclass(frozen=True, slots=True)
class FilterRules:
    """The bounds; shares and ratios are fractions, likeness is the Jaccard index of word shingles."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    near_duplicate: float = 0.8
    pairs_per_prompt: int = 3  # near-duplicates of one prompt count as one prompt
    too_similar: float = 0.6
    length_ratio: float = 4.0  # longer answer over shorter, in words, each lengthened by ten
    subject_share: float = 0.2  # of one end user, where requests name one
    key_share: float = 0.6  # of one key, as soon as there are several
    balance: float = 3.0  # the commoner kind over the rarer one
    floor: int = 100  # no share and no balance cuts anyone below this, so that small data stays usable
    hazard_share: float = 0.6  # of one hazard among safety pairs
    language_share: float = 1.0  # of one language; 1 looks at none
    ballast: float = 0.5  # least share of pairs that are not about safety: they hold the policy helpful
    feedback_share: float = 0.2  # of users' thumbs
    longer_most: float = (
        0.75  # of reward-ranked pairs, those in which the longer answer is chosen, or the shorter
    )
    phrase_share: float = 0.1  # of pairs with a phrase that one owner brings: a backdoor is taught so
    stale_after: int = (
        0  # versions back from the newest, whose answers are no longer the policy's own; 0 keeps all
    )
    quarantine_hours: float = (
        0.0  # that a pair waits before it is trained on, so that floods show; 24 is wise
    )
    quarantined_keys: tuple[str, ...] = ()  # whose pairs wait until somebody has looked
    closest_share: float = (
        0.0  # of pairs whose answers the policy itself tells apart least (CHES); 0 does not ask
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What filters go by beside the pairs: versions in order, newest first, and how close answers are to the policy."""

    versions: Sequence[str] = ()
    closeness: Mapping[str, float] = field(default_factory=dict)  # by pair id; higher is closer


@dataclass(frozen=True, slots=True)
class Filtered:
    """What is left, and how many pairs each filter took, in the order in which they ran."""

    pairs: tuple[Pair, ...]
    dropped: dict[str, int]


def filter_pairs(
    pairs: Sequence[Pair], exam_prompts: Sequence[str], rules: FilterRules, known: Known = Known()
) -> Filtered:
    """Pairs fit for training, the cheap filters first: what they take need not be looked at by the dear ones."""
    steps: list[tuple[str, Callable[[list[Pair]], list[Pair]]]] = [
        ("not plain text", lambda left: [p for p in left if is_plain(p.messages)]),
        (
            "quarantined key",
            lambda left: [p for p in left if p.provenance.key_id not in rules.quarantined_keys],
        ),
        ("stale version", lambda left: [p for p in left if not is_stale(p, rules, known.versions)]),
        ("exact duplicate", drop_exact_duplicates),
        ("personal data", lambda left: [p for p in left if not is_private(p)]),
        ("in the exam", lambda left: decontaminate(left, exam_prompts, rules.near_duplicate)),
        ("too similar", lambda left: [p for p in left if not too_similar(p, rules.too_similar)]),
        ("too close", lambda left: without_closest(left, rules.closest_share, known.closeness)),
        ("length ratio", lambda left: [p for p in left if length_ratio(p) <= rules.length_ratio]),
        ("near duplicate", lambda left: cap_per_prompt(left, rules)),
        ("trigger phrase", lambda left: without_triggers(left, rules.phrase_share, rules.floor)),
        ("subject share", lambda left: cap_subjects(left, rules)),
        ("key share", lambda left: cap_keys(left, rules)),
        ("feedback share", lambda left: cap_feedback(left, rules.feedback_share, rules.floor)),
        ("length tells", lambda left: without_length(left, rules.longer_most, rules.floor)),
        ("hazard share", lambda left: cap_hazards(left, rules.hazard_share, rules.floor)),
        ("language share", lambda left: cap_languages(left, rules.language_share, rules.floor)),
        ("balance", lambda left: balance_kinds(left, rules)),
        ("ballast", lambda left: with_ballast(left, rules.ballast, rules.floor)),
    ]
    left, dropped = list(pairs), {}
    for name, keep in steps:
        kept = keep(left)
        dropped[name] = len(left) - len(kept)
        left = kept
    return Filtered(tuple(left), dropped)


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


def decontaminate(pairs: list[Pair], exam_prompts: Sequence[str], threshold: float) -> list[Pair]:
    """Nothing that asks what an exam asks: near-duplicates of its prompts, or a long run of shared words."""
    known, runs = LikeTexts(threshold), set[tuple[str, ...]]()
    for index, prompt in enumerate(exam_prompts):
        known.add(index, shingles(prompt))
        runs |= ngrams(prompt)
    return [
        pair
        for pair in pairs
        if known.like(shingles(pair.prompt)) is None and runs.isdisjoint(ngrams(pair.prompt))
    ]


def ngrams(text: str) -> set[tuple[str, ...]]:
    """Every run of 13 words."""
    told = words(text)
    return {tuple(told[i : i + NGRAM]) for i in range(len(told) - NGRAM + 1)}


def too_similar(pair: Pair, threshold: float) -> bool:
    """Whether the answers are nearly the same text: such pairs push the chosen one's likelihood down too."""
    return jaccard(shingles(pair.chosen), shingles(pair.rejected)) >= threshold


def length_ratio(pair: Pair) -> float:
    """Words of the longer answer over words of the shorter; the slack spares short answers."""
    short, long = sorted((len(words(pair.chosen)), len(words(pair.rejected))))
    return (long + SLACK) / (short + SLACK)


def cap_per_prompt(pairs: list[Pair], rules: FilterRules) -> list[Pair]:
    """At most so many pairs for one prompt and its near-duplicates, whoever sent them."""
    leaders = clusters([pair.prompt for pair in pairs], rules.near_duplicate)
    seen: Counter[int] = Counter()
    kept = []
    for pair, leader in zip(pairs, leaders, strict=True):
        seen[leader] += 1
        if seen[leader] <= rules.pairs_per_prompt:
            kept.append(pair)
    return kept


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
