"""Groups of candidates → preference pairs. Pure.

Both answers of a pair were sampled by the policy for the same conversation: user text is never chosen, and no
refusal is written by hand. Where no candidate is fit to be chosen there is no pair. In a conversation that asks
for harm the guards label, and the reward model only ranks what they passed; elsewhere the reward model labels.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from pydantic import ConfigDict

from finetune.pairs.pair import Group, Kind, Pair, Provenance, Sample, Source
from gateway.amounts import AtLeastZero, Count, Share, Whole

CALM = 1e-3  # the least probability of a hazard that says more than nothing
ALIKE = 1.0  # nats of log-odds within which guards are as calm about one answer as about another


@dataclass(frozen=True, slots=True)
class MakeRules:
    """What makes one candidate better than another, beyond doubt."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    margin_sd: AtLeastZero = 1.0  # least reward difference, in sd of rewards within a conversation
    chosen_risk_at_most: Share = (
        0.3  # a chosen answer lies well inside the safe side, not at a guard's threshold
    )
    pairs_per_exchange: Count = 3
    # Of them, those that the reward model alone decided: many would teach style, not safety.
    ranked_per_exchange: Whole = 1
    # Where harm is asked for: by how much less the guards' log-odds of harm speak against the winner than against an
    # answer that they let pass, in nats; 3 is about twenty times likelier. 0 makes no such pairs: what a policy has
    # no rule for it lets pass on purpose, and raw scores do not say so. What it flags and lets pass never loses so.
    risk_nats: AtLeastZero = 0.0


# The packaged policy is guarded by the default policy, which withholds every harm that its guards score in a reply.
POCKET_MAKE = MakeRules(risk_nats=3.0)


@dataclass(frozen=True, slots=True)
class Made:
    """The pairs, and why the other groups gave none (counted by reason)."""

    pairs: tuple[Pair, ...]
    skipped: dict[str, int]
    reward_sd: float | None


class Loser(NamedTuple):
    """An answer that is worse than the best, and who says so."""

    sample: Sample
    by: Source


def make_pairs(groups: Sequence[Group], rules: MakeRules, sd: float | None) -> Made:
    """Pairs from every group that holds both a good and a clearly worse answer; `sd` as of `pairs_of`."""
    pairs: list[Pair] = []
    skipped: Counter[str] = Counter()
    for group in groups:
        made = pairs_of(group, rules, sd)
        pairs.extend(made)
        if not made:
            skipped[why_none(group, rules)] += 1
    return Made(tuple(pairs), dict(skipped), sd)


def pairs_of(group: Group, rules: MakeRules, sd: float | None) -> list[Pair]:
    """At most `pairs_per_exchange` pairs: every loser once, winners in turn, so that no text is favoured."""
    samples, harm = distinct(group.samples), contested(group)
    winners = fit_to_be_chosen(samples, rules, trusted=harm)
    if not winners:
        return []
    best, against = winners[0], partial(against_by, rules=rules, sd=sd, harm=harm)
    losers = [Loser(sample, by) for sample in samples if (by := against(sample, best)) is not None]
    peers = [winner for winner in winners if against(winner, best) is None]
    pairs = []
    for place, (sample, by) in enumerate(worst(losers, rules, harm=harm)):
        peer = peers[place % len(peers)]
        pairs.append(pair_of(group, peer if against(sample, peer) == by else best, sample, by))
    return pairs


def contested(group: Group) -> bool:
    """Whether more than a single alarm says that this conversation asks for harm.

    Then the guards alone label: a reward model that was taken in by one answer would be by its like. A single
    alarm may be false, and is checked by the reward model instead.
    """
    return bool(group.prompt_hazard) or sum(sample.withheld for sample in group.samples) >= 2


def fit_to_be_chosen(samples: Sequence[Sample], rules: MakeRules, *, trusted: bool) -> list[Sample]:
    """Finished candidates that every guard passed with room to spare, the best first, by reward.

    Where the guards are trusted, only those about which they are as calm as about the calmest: an answer that does
    harm in harmless words passes below every threshold, and would be chosen for the reward that it gets.
    """
    fit = [sample for sample in samples if is_fit(sample, rules)]
    if trusted and fit:
        calmest = min(log_odds(sample.harm) for sample in fit)
        fit = [sample for sample in fit if log_odds(sample.harm) <= calmest + ALIKE]
    return sorted(fit, key=lambda s: (-(s.reward or 0.0), s.risk, s.text))


def log_odds(harm: float) -> float:
    """A probability in nats; a classifier tells those below a thousandth from one another no longer."""
    bounded = min(max(harm, CALM), 1 - CALM)
    return math.log(bounded / (1 - bounded))


def is_fit(sample: Sample, rules: MakeRules) -> bool:
    """Whether an answer may be held up as an example."""
    safe = sample.checked and not sample.withheld and sample.risk <= rules.chosen_risk_at_most
    return safe and sample.finished and bool(sample.text.strip())


def against_by(
    sample: Sample, best: Sample, rules: MakeRules, sd: float | None, *, harm: bool
) -> Source | None:
    """Who says that `sample` is worse than `best` beyond doubt, if anybody does.

    Where harm is asked for the guards, and of what they let pass and nobody flagged the reward model: else what is
    neither harm nor help, such as words in no order, would rise as harm is pushed down. Rewards alone may say so of
    declining over not declining; a filter takes the pairs that say otherwise.
    """
    if not harm:
        by: Source = "guard" if sample.withheld else "reward"
        return by if loses(sample, best, rules, sd) else None
    if loses_by_guard(sample, best, rules):
        return "guard"
    passed = not (sample.withheld or sample.flagged)
    return "reward" if passed and loses(sample, best, rules, sd) else None


def loses_by_guard(sample: Sample, best: Sample, rules: MakeRules) -> bool:
    """Whether a guard withheld `sample`, and not `best`, or thinks it far likelier to do harm."""
    if best.withheld or not sample.text.strip():
        return False
    if sample.withheld or sample.flagged or not rules.risk_nats:
        return sample.withheld
    return log_odds(sample.harm) - log_odds(best.harm) >= rules.risk_nats


def loses(sample: Sample, best: Sample, rules: MakeRules, sd: float | None) -> bool:
    """Whether `sample` is worse than `best` beyond doubt, where the reward model has a say.

    A withheld answer loses unless the reward model prefers it: where guard and reward model disagree one of
    them is wrong, and a guard's false alarm on a helpful answer would otherwise teach the policy to refuse.
    """
    if sample.text == best.text or not sample.text.strip():
        return False
    if best.reward is None or sample.reward is None:
        return sample.withheld
    if sample.withheld:
        return sample.reward < best.reward
    return sd is not None and best.reward - sample.reward >= rules.margin_sd * sd


def worst(losers: Sequence[Loser], rules: MakeRules, *, harm: bool) -> list[Loser]:
    """The losers to learn from: first those that guards speak against, then a few that the reward model does.

    Where harm is asked for the former come by how likely harm is, those that were withheld before those doubted.
    """
    by_reward = sorted(losers, key=lambda each: (each.sample.reward or 0.0, each.sample.text))
    guarded = [each for each in by_reward if each.by == "guard"]
    ranked = [each for each in by_reward if each.by != "guard"][: rules.ranked_per_exchange]
    if harm:
        guarded.sort(key=lambda each: (not each.sample.withheld, -each.sample.harm, each.sample.text))
    return [*guarded, *ranked][: rules.pairs_per_exchange]


def pair_of(group: Group, chosen: Sample, rejected: Sample, by: Source) -> Pair:
    """The pair, with everything that an audit will ask for."""
    by_guard = by == "guard"
    kind: Kind = "safety" if by_guard or contested(group) else "helpfulness"
    provenance = Provenance(
        exchange_id=group.exchange_id,
        key_id=group.key_id,
        version=group.version,
        policy=group.policy,
        labelled_by=f"guard:{rejected.guard}" if by_guard else "reward",
        hazard=(rejected.hazard if by_guard else "") or hazard_of(group),
        reward_chosen=chosen.reward,
        reward_rejected=rejected.reward,
        subject=group.subject,
        drawn=group.drawn,
        day=group.day,
        source=by,
    )
    return Pair(group.messages, chosen.text, rejected.text, kind, provenance)


def hazard_of(group: Group) -> str:
    """What was asked for, or else what answers were withheld for."""
    return group.prompt_hazard or next(
        (s.hazard for s in group.samples if s.withheld and contested(group)), ""
    )


def why_none(group: Group, rules: MakeRules) -> str:
    """The reason, in words, that a group gave no pair."""
    if len(distinct(group.samples)) < 2:
        return "fewer than two different candidates"
    if not fit_to_be_chosen(distinct(group.samples), rules, trusted=contested(group)):
        return "no candidate fit to be chosen"
    return "no candidate clearly worse"


def distinct(samples: Iterable[Sample]) -> list[Sample]:
    """Each text once, in order."""
    return list({sample.text: sample for sample in reversed(list(samples))}.values())[::-1]
