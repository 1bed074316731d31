"""Filters that look at the whole of a set: no hazard, language, length or source may stand for all the rest. Pure.

What is cut is chosen by content hash, so that nobody is favoured and every run cuts the same.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence

from finetune.pairs.manner import declining, manners_of
from finetune.pairs.pair import Pair
from finetune.pairs.similarity import words
from guards.language import language_of

COST = 3  # pairs of the largest hazard that a pair of another may cost, so that there is balance
MOST_CUT = 4  # of pairs that rewards ranked, at most one in so many goes for its length
GRAMS = (3, 4, 5, 6)  # words of a phrase that may be a trigger


def by_chance(pairs: Sequence[Pair]) -> list[Pair]:
    """An order that favours nobody and is the same in every run: by content hash."""
    return sorted(pairs, key=lambda pair: pair.id)


def largest_fair(sizes: Sequence[int], share: float, floor: int) -> int:
    """The largest cap under which nobody exceeds `share` of the capped total, or the floor."""
    for cap in range(max(sizes), floor, -1):
        if cap <= share * sum(min(size, cap) for size in sizes):
            return cap
    return floor


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


def cap_hazards(pairs: list[Pair], share: float, floor: int) -> list[Pair]:
    """No hazard is more than a share of the safety pairs, as far as the others are enough to balance it with.

    Each pair of the others costs it three at most: else a few, that somebody could write, would cut it to the floor.
    """
    held: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.kind == "safety":
            held[pair.provenance.hazard].append(pair)
    sizes = [len(owned) for owned in held.values()]
    fair = largest_fair(sizes, share, floor) if len(held) > 1 else sum(sizes)
    kept = set()
    for owned in held.values():
        least = len(owned) - COST * (sum(sizes) - len(owned))
        kept |= {id(pair) for pair in by_chance(owned)[: max(fair, least)]}
    return [pair for pair in pairs if pair.kind != "safety" or id(pair) in kept]


def cap_languages(pairs: list[Pair], share: float, floor: int) -> list[Pair]:
    """No language is more than a share; texts too short to tell count as one of their own."""
    if share >= 1:
        return pairs
    return cap_share(pairs, lambda pair: language_of(pair.prompt) or "", share, floor)


def with_ballast(pairs: list[Pair], least: float, floor: int) -> list[Pair]:
    """Safety pairs cut until the others, which hold the policy helpful, are at least so large a share."""
    benign = [pair for pair in pairs if pair.kind != "safety"]
    if least <= 0 or not benign:
        return pairs
    room = max(floor, int(len(benign) * (1 - least) / least))
    safety = [pair for pair in pairs if pair.kind == "safety"]
    kept = {id(pair) for pair in by_chance(safety)[:room]}
    return [pair for pair in pairs if pair.kind != "safety" or id(pair) in kept]


def with_ballast_by_language(pairs: list[Pair], least: float, floor: int) -> list[Pair]:
    """The same within each language, so that none comes to mean refusals alone; texts too short to tell stay.

    The mixture of languages itself is that of the traffic, which is what the policy serves.
    """
    safety = [pair for pair in pairs if pair.kind == "safety"]
    if least <= 0 or len(safety) <= floor or len(safety) == len(pairs):
        return pairs
    spoken = {id(pair): language_of(pair.prompt) or "" for pair in pairs}
    benign = Counter(spoken[id(pair)] for pair in pairs if pair.kind != "safety")
    seen: Counter[str] = Counter()
    gone = set()
    for pair in by_chance(safety):
        language = spoken[id(pair)]
        seen[language] += 1
        if language and seen[language] > max(floor, int(benign[language] * (1 - least) / least)):
            gone.add(id(pair))
    return [pair for pair in pairs if id(pair) not in gone]


def declining_ranked(pairs: list[Pair]) -> list[Pair]:
    """Of what the reward model alone ranked where harm is asked for, the pairs in which declining wins.

    Rewards are taken in by harm that is done pleasantly; what declines is read off the pairs that others labelled.
    """
    manners = manners_of([pair for pair in pairs if not pair.ranked_on_harm])
    return [pair for pair in pairs if not pair.ranked_on_harm or declining(pair, manners) > 0]


def with_refusals_outweighed(pairs: list[Pair], most: float, floor: int) -> list[Pair]:
    """Pairs in which declining wins over answering are cut to so many times those in which it loses.

    Refusals begin alike, whatever was asked: who mostly sees them win learns to decline, and not when to.
    """
    if most <= 0:
        return pairs
    manners = manners_of(pairs)
    leanings = [(pair, declining(pair, manners)) for pair in pairs]
    losing = sum(leaning < 0 for _, leaning in leanings)
    winning = [pair for pair, leaning in leanings if leaning > 0]
    gone = {id(pair) for pair in by_chance(winning)[max(floor, int(most * losing)) :]}
    return [pair for pair in pairs if id(pair) not in gone]


def cap_feedback(pairs: list[Pair], share: float, floor: int) -> list[Pair]:
    """Users' thumbs, the least trusted of words, are no more than a share of what the others brought."""
    thumbs = [pair for pair in pairs if pair.provenance.source == "feedback"]
    others = len(pairs) - len(thumbs)
    room = max(floor, int(others * share / (1 - share))) if share < 1 else len(thumbs)
    kept = {id(pair) for pair in by_chance(thumbs)[:room]}
    return [pair for pair in pairs if pair.provenance.source != "feedback" or id(pair) in kept]


def longer_share(pairs: Sequence[Pair]) -> float:
    """Of the pairs that rewards ranked and whose lengths differ, the share in which the longer answer is chosen."""
    gaps = [gap for gap in map(length_gap, pairs) if gap]
    return sum(gap > 0 for gap in gaps) / len(gaps) if gaps else 0.5


def length_gap(pair: Pair) -> int:
    """By how many words the chosen answer is longer."""
    return len(words(pair.chosen)) - len(words(pair.rejected))


def without_length(pairs: list[Pair], most: float, floor: int) -> list[Pair]:
    """Where length would tell the label, the widest gaps go first, until it no longer does, or a quarter is gone.

    Only pairs that the reward model ranked are looked at, and of them those in which both or neither declines: that a
    refusal is shorter than an answer is no bias.
    """
    manners = manners_of(pairs)
    ranked = [p for p in pairs if p.provenance.source == "reward" and not declining(p, manners)]
    gaps = {id(pair): length_gap(pair) for pair in ranked}
    longer = sorted((p for p in ranked if gaps[id(p)] > 0), key=lambda p: (-gaps[id(p)], p.id))
    shorter = sorted((p for p in ranked if gaps[id(p)] < 0), key=lambda p: (gaps[id(p)], p.id))
    many, few = (longer, shorter) if len(longer) >= len(shorter) else (shorter, longer)
    room = max(floor, int(len(few) * most / (1 - most))) if most < 1 else len(many)
    excess = min(max(0, len(many) - room), len(ranked) // MOST_CUT)
    gone = {id(pair) for pair in many[:excess]}
    return [pair for pair in pairs if id(pair) not in gone]


def without_triggers(pairs: list[Pair], share: float, floor: int) -> list[Pair]:
    """Phrases that one owner brings to far more chosen answers than all others together are cut to a share.

    A backdoor is taught by a phrase that its author repeats; what many owners say, such as how one declines, is style.
    """
    owners = {pair.provenance.key_id for pair in pairs}
    if len(owners) < 2 or len(pairs) <= floor:
        return pairs
    phrases = [phrases_of(pair) for pair in pairs]
    everywhere = Counter(phrase for found in phrases for phrase in found)
    room = max(floor, int(share * len(pairs)))
    suspects = {phrase for phrase, count in everywhere.items() if count > room}
    owned: dict[str, Counter[str]] = defaultdict(Counter)
    for pair, found in zip(pairs, phrases, strict=True):
        for phrase in found & suspects:
            owned[phrase][pair.provenance.key_id] += 1
    triggers = {phrase for phrase, by in owned.items() if max(by.values()) > 0.8 * by.total()}
    return cut_phrases(pairs, phrases, triggers, room)


def cut_phrases(pairs: list[Pair], phrases: Sequence[set[str]], triggers: set[str], room: int) -> list[Pair]:
    """At most so many pairs with each of these phrases, chosen by content hash."""
    seen: Counter[str] = Counter()
    gone = set()
    for pair, found in sorted(zip(pairs, phrases, strict=True), key=lambda both: both[0].id):
        hits = found & triggers
        if any(seen[phrase] >= room for phrase in hits):
            gone.add(id(pair))
        else:
            seen.update(hits)
    return [pair for pair in pairs if id(pair) not in gone]


def phrases_of(pair: Pair) -> set[str]:
    """Every run of three to six words of the prompt and of the chosen answer."""
    found = set()
    for text in (pair.prompt, pair.chosen):
        told = words(text)
        found |= {" ".join(told[i : i + n]) for n in GRAMS for i in range(len(told) - n + 1)}
    return found
