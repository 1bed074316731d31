"""Which pairs may be trained on. Pure: a filter takes pairs and gives back those it keeps, in their order.

Composition is the list in `filter_pairs`; each filter's losses are counted under its name and go into the
run's evidence. Flagged traffic is written by whoever attacks us, hence the caps.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from pydantic import ConfigDict

from finetune.pairs.pair import Pair
from finetune.pairs.plain import is_plain
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


@dataclass(frozen=True, slots=True)
class Filtered:
    """What is left, and how many pairs each filter took, in the order in which they ran."""

    pairs: tuple[Pair, ...]
    dropped: dict[str, int]


def filter_pairs(pairs: Sequence[Pair], exam_prompts: Sequence[str], rules: FilterRules) -> Filtered:
    """Pairs fit for training."""
    steps: list[tuple[str, Callable[[list[Pair]], list[Pair]]]] = [
        ("not plain text", lambda left: [p for p in left if is_plain(p.messages)]),
        ("exact duplicate", drop_exact_duplicates),
        ("in the exam", lambda left: decontaminate(left, exam_prompts, rules.near_duplicate)),
        ("too similar", lambda left: [p for p in left if not too_similar(p, rules.too_similar)]),
        ("length ratio", lambda left: [p for p in left if length_ratio(p) <= rules.length_ratio]),
        ("near duplicate", lambda left: cap_per_prompt(left, rules)),
        ("subject share", lambda left: cap_subjects(left, rules)),
        ("key share", lambda left: cap_keys(left, rules)),
        ("balance", lambda left: balance_kinds(left, rules)),
    ]
    left, dropped = list(pairs), {}
    for name, keep in steps:
        kept = keep(left)
        dropped[name] = len(left) - len(kept)
        left = kept
    return Filtered(tuple(left), dropped)


def drop_exact_duplicates(pairs: list[Pair]) -> list[Pair]:
    """The first of each content; none that two exchanges rank in opposite ways, since one label is wrong."""
    verdicts = {(pair.messages_key, pair.chosen, pair.rejected) for pair in pairs}
    firsts = {pair.id: pair for pair in reversed(pairs)}
    kept = [pair for pair in pairs if firsts[pair.id] is pair]
    return [pair for pair in kept if (pair.messages_key, pair.rejected, pair.chosen) not in verdicts]


def decontaminate(pairs: list[Pair], exam_prompts: Sequence[str], threshold: float) -> list[Pair]:
    """Nothing that asks what an exam asks: near-duplicates of its prompts, or a long run of shared words."""
    asked = clusters([*exam_prompts, *(pair.prompt for pair in pairs)], threshold)[len(exam_prompts) :]
    runs = {run for prompt in exam_prompts for run in ngrams(prompt)}
    return [
        pair
        for pair, leader in zip(pairs, asked, strict=True)
        if leader >= len(exam_prompts) and not runs & ngrams(pair.prompt)
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


def cap_share(
    pairs: list[Pair], owner_of: Callable[[Pair], Hashable], share: float, floor: int
) -> list[Pair]:
    """Cut the largest owners until none holds more than `share` of what is left, or all are at the floor."""
    held: dict[Hashable, list[Pair]] = defaultdict(list)
    for pair in pairs:
        held[owner_of(pair)].append(pair)
    limit = largest_fair(sorted(map(len, held.values())), share, floor) if len(held) > 1 else len(pairs)
    kept = {id(pair) for owned in held.values() for pair in by_chance(owned)[:limit]}
    return [pair for pair in pairs if id(pair) in kept]


def largest_fair(sizes: Sequence[int], share: float, floor: int) -> int:
    """The largest cap under which nobody exceeds `share` of the capped total, or the floor."""
    for cap in range(max(sizes), floor, -1):
        if cap <= share * sum(min(size, cap) for size in sizes):
            return cap
    return floor


def balance_kinds(pairs: list[Pair], rules: FilterRules) -> list[Pair]:
    """The commoner kind cut to so many times the rarer; one that stands alone has nothing to balance with."""
    counts = Counter(pair.kind for pair in pairs)
    if len(counts) < 2:
        return pairs
    limit = max(rules.floor, int(rules.balance * min(counts.values())))
    kept = {id(p) for kind in counts for p in by_chance([q for q in pairs if q.kind == kind])[:limit]}
    return [pair for pair in pairs if id(pair) in kept]


def by_chance(pairs: Sequence[Pair]) -> list[Pair]:
    """An order that favours nobody and is the same in every run: by content hash."""
    return sorted(pairs, key=lambda pair: pair.id)
