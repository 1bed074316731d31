"""The cascade of a policy: who asks whom where it is unsure, and in which order guards are therefore heard. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from guards.policy.rule import Rule
from guards.verdict import SIDE_OF_DIRECTION, Verdict


def faults_of(rules: Sequence[Rule]) -> list[tuple[int, str]]:
    """What cannot be asked: positions of rules, and one sentence each."""
    by_id = {rule.id: rule for rule in rules}
    found = []
    for position, rule in enumerate(rules):
        if rule.unsure is None:
            continue
        asked = by_id.get(rule.unsure.ask)
        if asked is None:
            found.append((position, f"no guard is called {rule.unsure.ask!r}; there are {', '.join(by_id)}"))
        elif in_circle(rule, by_id):
            found.append((position, f"asks itself in the end, by way of {asked.id!r}"))
        elif unread := unread_by(asked, rule):
            found.append(
                (position, f"asks {asked.id!r} about {', '.join(unread)}, which that one never reads")
            )
    return found


def in_circle(rule: Rule, by_id: Mapping[str, Rule]) -> bool:
    """Whether a guard is asked by the one that it asks, however far around."""
    seen = {rule.id}
    step: Rule | None = rule
    while step is not None and step.unsure is not None:
        if step.unsure.ask in seen:
            return True
        seen.add(step.unsure.ask)
        step = by_id.get(step.unsure.ask)
    return False


def unread_by(asked: Rule, asker: Rule) -> list[str]:
    """The directions of the asker that the asked one does not read, and parts that only it skips."""
    read = set(asked.where)
    unread: list[str] = [
        each for each in asker.where if each not in read and SIDE_OF_DIRECTION[each] not in read
    ]
    if asker.reads_all_turns and not asked.reads_all_turns:
        unread.append("earlier turns")
    return unread + sorted(set(asked.skip_parts) - set(asker.skip_parts))


def asked_by(rules: Iterable[Rule]) -> dict[str, tuple[Rule, ...]]:
    """For each guard that is heard only where others are unsure, those others."""
    found: dict[str, tuple[Rule, ...]] = {}
    for rule in rules:
        if rule.unsure is not None:
            found[rule.unsure.ask] = (*found.get(rule.unsure.ask, ()), rule)
    return found


def levels(rules: Sequence[Rule]) -> dict[str, int]:
    """When each guard is heard: 0 for those that nobody asks, each other after all that may ask it."""
    askers = asked_by(rules)

    def level(name: str) -> int:
        return 1 + max(map(level, (rule.id for rule in askers[name]))) if name in askers else 0

    return {rule.id: level(rule.id) for rule in rules}


def standing(opinions: Sequence[tuple[Rule, Verdict]]) -> list[tuple[Rule, Verdict]]:
    """The opinions that count: where a guard was in doubt about a hazard and the one that it asked has answered, not
    its own word on that hazard. All else that it said stands; where nobody was unsure, the one asked has no say.
    """
    asks = [(rule, verdict) for rule, verdict in opinions if rule.unsure is not None]
    if not asks:
        return list(opinions)
    heard = {rule.id for rule, _ in opinions}
    unsure = {
        rule.id: rule.unsure.ask for rule, verdict in asks if rule.unsure and rule.unsure.about(verdict)
    }
    askable = {rule.unsure.ask for rule, _ in asks if rule.unsure}
    return [
        (rule, without_doubt(rule, verdict) if unsure.get(rule.id) in heard else verdict)
        for rule, verdict in opinions
        if rule.id not in askable or rule.id in unsure.values()
    ]


def without_doubt(rule: Rule, verdict: Verdict) -> Verdict:
    """The verdict without the hazards about which its guard was in doubt."""
    assert rule.unsure is not None
    certain = {
        hazard: score for hazard, score in verdict.scores.items() if not rule.unsure.doubts(hazard, score)
    }
    return replace(verdict, scores=certain)
