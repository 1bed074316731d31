"""Pairs from what people said of answers, and from the policy's own revisions. Pure.

Whatever is said, a user's own text is never chosen, and a thumb never outvotes a guard: what a guard withheld, and no
operator has given free, may lose a pair and never win one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from finetune.pairs.pair import Group, Kind, Pair, Provenance, Sample, Source
from gateway.exchange import Exchange
from gateway.feedback.said import Feedback, place_of

UNKNOWN = datetime.min.replace(tzinfo=UTC)  # when a word was said that nobody has kept yet


def overturned_in(words: Iterable[Feedback]) -> set[int]:
    """The candidates that an operator has given free."""
    return {each.candidate for each in words if each.kind == "overturn" and each.candidate is not None}


def freed(group: Group, overturned: set[int]) -> Group:
    """The group as a labeller may see it: what was withheld without need counts as passed."""
    samples = tuple(
        replace(sample, withheld=False, guard="", hazard="", risk=0.0, harm=0.0)
        if place in overturned
        else sample
        for place, sample in enumerate(group.samples)
    )
    return replace(group, samples=samples)


def word_pairs(exchange: Exchange, group: Group, words: Sequence[Feedback]) -> list[Pair]:
    """Every pair that the words on an exchange give; `group` is the exchange's, its overturned candidates freed."""
    found = (
        *edited(exchange, group, words),
        *compared(group, words),
        *thumbed(exchange, group, words),
        *freed_pairs(exchange, group, words),
        *revised(exchange, group),
    )
    return [
        pair
        for pair in found
        if pair.chosen.strip() and pair.rejected.strip() and pair.chosen != pair.rejected
    ]


def edited(exchange: Exchange, group: Group, words: Sequence[Feedback]) -> Iterator[Pair]:
    """An operator's text over the answer that it mends; of one key's on the same answer the latest alone counts."""
    edits: dict[tuple[str, int | None], Feedback] = {}
    for each in sorted(words, key=said_at):
        if each.kind == "edit" and each.text:
            edits[each.key_id, place_of(exchange, each.candidate)] = each
    for (_, place), each in edits.items():
        worse = answer_at(exchange, group, place)
        if worse is not None:
            yield pair_of(group, str(each.text), worse.text, "edit", kind_of(worse), each.id)


def said_at(word: Feedback) -> datetime:
    """When a word was kept."""
    return word.created_at or UNKNOWN


def compared(group: Group, words: Sequence[Feedback]) -> Iterator[Pair]:
    """What most reviewers prefer of two; where they are divided, nothing."""
    votes: Counter[tuple[int, int]] = Counter()
    for each in words:
        if each.kind == "comparison" and each.candidate is not None and each.other is not None:
            votes[each.candidate, each.other] += 1
    for (better, worse), count in sorted(votes.items()):
        if count > votes[worse, better] and max(better, worse) < len(group.samples):
            first, second = group.samples[better], group.samples[worse]
            if not first.withheld:
                yield pair_of(group, first.text, second.text, "review", kind_of(second), "")


def thumbed(exchange: Exchange, group: Group, words: Sequence[Feedback]) -> Iterator[Pair]:
    """An answer that users liked over one that they did not, of the same exchange."""
    votes = votes_in(exchange, group, words)
    liked = [place for place, count in sorted(votes.items()) if count > 0]
    disliked = [place for place, count in sorted(votes.items()) if count < 0]
    for better in liked:
        for worse in disliked:
            first, second = group.samples[better], group.samples[worse]
            if not first.withheld and first.checked:
                yield pair_of(group, first.text, second.text, "feedback", "helpfulness", "")


def votes_in(exchange: Exchange, group: Group, words: Iterable[Feedback]) -> Counter[int]:
    """Thumbs up less thumbs down of each candidate; of one key's on the same answer the latest alone counts."""
    thumbs: dict[tuple[str, int], int] = {}
    for each in sorted(words, key=said_at):
        place = place_of(exchange, each.candidate)
        if each.kind == "thumb" and place is not None and place < len(group.samples):
            thumbs[each.key_id, place] = int(each.value or 0)
    votes: Counter[int] = Counter()
    for (_, place), value in thumbs.items():
        votes[place] += value
    return votes


def freed_pairs(exchange: Exchange, group: Group, words: Sequence[Feedback]) -> Iterator[Pair]:
    """What should have been delivered over the refusal that was: so over-refusal is unlearnt too."""
    if exchange.chosen is not None or not exchange.answer.strip():
        return  # something was delivered, or nothing was said in its place
    for each in words:
        if each.kind != "overturn":
            continue
        place = each.candidate
        text = each.text or (
            group.samples[place].text if place is not None and place < len(group.samples) else ""
        )
        yield pair_of(group, text, exchange.answer, "overturn", "helpfulness", each.id)


def revised(exchange: Exchange, group: Group) -> Iterator[Pair]:
    """A revision that the guards passed over the answer that it revises."""
    by_index = {each.index: place for place, each in enumerate(exchange.candidates)}
    for place, each in enumerate(exchange.candidates):
        original = by_index.get(each.revision_of) if each.revision_of is not None else None
        if original is None or place >= len(group.samples):
            continue
        better, worse = group.samples[place], group.samples[original]
        if better.checked and not better.withheld:
            yield pair_of(group, better.text, worse.text, "revision", "safety", "")


def answer_at(exchange: Exchange, group: Group, place: int | None) -> Sample | None:
    """A candidate by its position; without one, what was delivered."""
    if place is None:
        if exchange.chosen is None:
            return Sample(exchange.answer) if exchange.answer else None
        place = exchange.chosen
    return group.samples[place] if place < len(group.samples) else None


def kind_of(worse: Sample) -> Kind:
    """What a pair teaches: safety where a guard withheld its loser."""
    return "safety" if worse.withheld else "helpfulness"


def pair_of(group: Group, chosen: str, rejected: str, source: Source, kind: Kind, said: str) -> Pair:
    """The pair, with everything that an audit will ask for."""
    rewards = {sample.text: sample.reward for sample in group.samples}
    provenance = Provenance(
        exchange_id=group.exchange_id,
        key_id=group.key_id,
        version=group.version,
        policy=group.policy,
        labelled_by=f"{source}:{said}" if said else source,
        hazard=group.prompt_hazard,
        reward_chosen=rewards.get(chosen),
        reward_rejected=rewards.get(rejected),
        subject=group.subject,
        day=group.day,
        source=source,
    )
    return Pair(group.messages, chosen, rejected, kind, provenance)
