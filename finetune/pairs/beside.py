"""Users' thumbs beside pairs, for a retraining by a method that learns answers by themselves. Pure.

Of what bounds both together the ratings alone give way: thumbs are the least trusted of words, and no pair goes for
their sake.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from finetune.pairs.balancing import by_chance, largest_fair
from finetune.pairs.filters import Filtered, FilterRules, through
from finetune.pairs.pair import Pair
from finetune.pairs.similarity import clusters


def beside(pairs: Filtered, ratings: Filtered, rules: FilterRules) -> Filtered:
    """The pairs, and the ratings that may be learnt with them; each rating that may not is counted once."""
    said, share = pairs.pairs, rules.feedback_share
    left, dropped = through(
        list(ratings.pairs),
        {
            "said by a pair": lambda left: unsaid(left, said),
            "near duplicate": lambda left: within_prompts(left, said, rules),
            "feedback share": lambda left: within_feedback(left, said, share),
            "subject share": lambda left: within_share(left, said, subject, rules.subject_share, rules.floor),
            "key share": lambda left: within_share(left, said, key, rules.key_share, rules.floor),
        },
    )
    lost = Counter(ratings.dropped) + Counter(dropped)
    return Filtered((*said, *left), pairs.dropped | {f"ratings: {name}": lost[name] for name in lost})


def subject(pair: Pair) -> str | None:
    """The end user, where a request names one."""
    return pair.provenance.subject


def key(pair: Pair) -> str | None:
    """The key."""
    return pair.provenance.key_id


def unsaid(ratings: list[Pair], pairs: Sequence[Pair]) -> list[Pair]:
    """None of an answer that a pair holds: it is learnt already, or a labeller who is trusted more says otherwise."""
    known = {(each.messages_key, text) for each in pairs for text in (each.chosen, each.rejected)}
    return [each for each in ratings if (each.messages_key, each.chosen or each.rejected) not in known]


def within_prompts(ratings: list[Pair], pairs: Sequence[Pair], rules: FilterRules) -> list[Pair]:
    """At most so many rows for one prompt and its near-duplicates; pairs were there first, then the earliest days."""
    ordered = sorted(ratings, key=lambda each: (each.provenance.day, each.id))
    leaders = clusters([each.prompt for each in (*pairs, *ordered)], rules.near_duplicate)
    seen = Counter(leaders[: len(pairs)])
    kept = set()
    for each, leader in zip(ordered, leaders[len(pairs) :], strict=True):
        seen[leader] += 1
        if seen[leader] <= rules.pairs_per_prompt:
            kept.add(id(each))
    return [each for each in ratings if id(each) in kept]


def within_feedback(ratings: list[Pair], pairs: Sequence[Pair], share: float) -> list[Pair]:
    """Thumbs, those in pairs among them, are no more than a share of all; no floor, since pairs alone would do."""
    thumbs = sum(pair.provenance.source == "feedback" for pair in pairs)
    room = int((len(pairs) - thumbs) * share / (1 - share)) - thumbs if share < 1 else len(ratings)
    kept = {id(each) for each in by_chance(ratings)[: max(0, room)]}
    return [each for each in ratings if id(each) in kept]


def within_share(
    ratings: list[Pair],
    pairs: Sequence[Pair],
    owner_of: Callable[[Pair], str | None],
    share: float,
    floor: int,
) -> list[Pair]:
    """No owner writes more than a share of pairs and ratings together; whoever is not named is not capped."""
    held = Counter(owner for each in (*pairs, *ratings) if (owner := owner_of(each)))
    if len(held) < 2:
        return ratings
    limit, seen = largest_fair(sorted(held.values()), share, floor), Counter(map(owner_of, pairs))
    gone = set()
    for each in by_chance(ratings):
        owner = owner_of(each)
        seen[owner] += 1
        if owner and seen[owner] > limit:
            gone.add(id(each))
    return [each for each in ratings if id(each) not in gone]
