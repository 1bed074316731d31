"""One moderated input in OpenAI's shape, and what the guards said beyond it. Pure.

Scores are the guards' own probabilities, the largest of all guards and parts. A category is true where the policy
found one of its hazards. A policy may ask of a guard no more than whether a text is unsafe at all, as the bundled
one does; where that is found, the hazards that the same guard thinks likely count as found, for they say of what kind.
"""

from collections.abc import Iterable
from typing import Any

from gateway.api.categories import CATEGORIES
from gateway.reply import verdicts_of
from guards.policy.load import GuardPolicy
from guards.policy.rule import Rule
from guards.verdict import Screening

Json = dict[str, Any]
UNSAFE = "G.unsafe"
LIKELY = 0.5


def result_of(screening: Screening, policy: GuardPolicy) -> Json:
    """The result; what no guard of the policy judges applies to no input type, and its score of 0 says nothing."""
    found, scores, judged = found_in(screening), screening.scores, judged_by(policy, screening)
    told = verdicts_of(screening) or {}
    return {
        "flagged": screening.flagged,
        "categories": {name: meaning.holds(found) for name, meaning in CATEGORIES.items()},
        "category_scores": {name: meaning.score(scores) for name, meaning in CATEGORIES.items()},
        "category_applied_input_types": {
            name: ["text"] if meaning.holds(judged) else [] for name, meaning in CATEGORIES.items()
        },
        "hazards": scores,
        "findings": told["findings"],
        "failures": told["failures"],
    }


def found_in(screening: Screening) -> set[str]:
    """The hazards that the policy found, and what an unsafe text is likely to be."""
    found = {finding.hazard for finding in screening.findings}
    vague = {finding.guard for finding in screening.findings if finding.hazard == UNSAFE}
    for verdict in screening.verdicts:
        if verdict.guard in vague:
            found |= {hazard for hazard, probability in verdict.scores.items() if probability >= LIKELY}
    return found


def judged_by(policy: GuardPolicy, screening: Screening) -> set[str]:
    """The hazards that the policy's guards report of a prompt, but for guards that failed."""
    failed = {failure.guard for failure in screening.failures}
    return {
        hazard
        for plan in policy.plans
        if plan.rule.id not in failed and covers(plan.rule)
        for hazard in plan.kind.hazards(plan.config, "prompt")
    }


def covers(rule: Rule) -> bool:
    """Whether the policy wants the content of prompts seen by this guard."""
    return "prompt" in rule.where and "content" not in rule.skip_parts


def undecided_in(screenings: Iterable[Screening]) -> list[str]:
    """The guards that failed and whose failure withholds: without them there is no moderation."""
    failures = (failure for screening in screenings for failure in screening.failures)
    return sorted({failure.guard for failure in failures if failure.action.withholds})
