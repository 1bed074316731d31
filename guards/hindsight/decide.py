"""A policy's decision on a past screening, by the same functions that decide on a living one. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from guards.fingerprint import fingerprints_of
from guards.hearing import covers
from guards.hindsight.record import Heard, Record
from guards.judgement import MACHINE_READ, Judgement, Opinion, judge
from guards.policy.cascade import asked_by, levels
from guards.policy.load import GuardPolicy
from guards.policy.rule import Rule
from guards.unscanned import beside
from guards.verdict import Action, Failure, Finding, Redaction, Screening, Segment, Where

THEN = "could not decide then"  # why a guard fails again: nobody has asked it


@dataclass(slots=True)
class Want:
    """What stands between a record and a decision."""

    guards: dict[str, set[int]] = field(default_factory=dict)  # by id: the segments it must be asked about
    texts: set[int] = field(
        default_factory=set
    )  # of segments: whether a cut would break them shows in them alone

    @property
    def nothing(self) -> bool:
        """Whether all is there."""
        return not (self.guards or self.texts)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy makes of a record; where something is wanted, there is no decision yet."""

    action: Action = Action.ALLOW
    findings: tuple[Finding, ...] = ()
    failures: tuple[Failure, ...] = ()
    redactions: tuple[tuple[Redaction, ...], ...] = ()
    want: Want = field(default_factory=Want)


class Decider:
    """One policy, ready to decide on records."""

    def __init__(self, policy: GuardPolicy) -> None:
        self.policy = policy
        self.fingerprints = fingerprints_of(policy.plans)
        rules = policy.document.guards
        self.askers = asked_by(rules)
        level = levels(rules)
        self.rules = sorted(rules, key=lambda rule: level[rule.id])  # stable: those first whom nobody asks
        self._reading: dict[tuple[Where, str, bool], list[Rule]] = {}

    def decide(self, record: Record) -> Decision:
        """The decision, or what is wanted for it."""
        want, failed = Want(), dict[str, Rule]()
        judged = [
            self._judged(place, heard, record, want, failed) for place, heard in enumerate(record.segments)
        ]
        if not want.nothing:
            return Decision(want=want)
        failures = tuple(Failure(rule.id, THEN, rule.when_failing) for rule in failed.values())
        findings = tuple(finding for one in judged for finding in one.findings)
        action = max((Action.ALLOW, *(one.action for one in findings), *(one.action for one in failures)))
        screening = Screening("", action, findings, failures)
        if record.unread:
            screening = beside(screening, record.unread, self.policy.document.unscanned)
        redactions = tuple(one.redactions for one in judged)
        return Decision(screening.action, screening.findings, failures, redactions)

    def _judged(
        self, place: int, heard: Heard, record: Record, want: Want, failed: dict[str, Rule]
    ) -> Judgement:
        """What follows for one segment; notes what is wanted, and who has failed."""
        segment = heard.segment
        said: dict[str, Opinion] = {}
        for rule in self.reading(segment):
            if not self._wanted(rule, said):
                continue
            same = record.panel.get(rule.id) == self.fingerprints[rule.id]
            if same and (verdict := heard.verdicts.get(rule.id)) is not None:
                said[rule.id] = (rule, verdict)
            elif same and rule.id in record.failed:
                failed[rule.id] = rule
            else:
                want.guards.setdefault(rule.id, set()).add(place)
        judgement = judge(segment, self._in_order(said), self.policy.document.redaction, complete=False)
        if judgement.redactions and segment.part in MACHINE_READ and not heard.known:
            want.texts.add(place)
        return judgement

    def reading(self, segment: Segment) -> list[Rule]:
        """The guards whose business such a segment is, those first whom nobody asks."""
        kind = segment.where, segment.part, segment.turns_ago > 0
        known = self._reading.get(kind)
        if known is None:
            known = self._reading[kind] = [rule for rule in self.rules if covers(rule, segment)]
        return known

    def _wanted(self, rule: Rule, said: dict[str, Opinion]) -> bool:
        """Whether the policy would have this guard heard after what was said: always, or where an asker is unsure."""
        askers = self.askers.get(rule.id, ())
        return not askers or any(
            one.unsure is not None and one.unsure.about(said[one.id][1]) for one in askers if one.id in said
        )

    def _in_order(self, said: dict[str, Opinion]) -> Sequence[Opinion]:
        return [said[rule.id] for rule in self.policy.document.guards if rule.id in said]
