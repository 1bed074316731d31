"""Parts that no guard reads, a picture or a sound: what the policy makes of text that comes with some of them."""

from collections.abc import Mapping
from dataclasses import replace

from guards.hazards import UNSCANNED
from guards.policy.document import Unscanned
from guards.verdict import Action, Finding, Screening

GUARD = "unscanned"  # whose finding it is: nobody's, for nobody has looked


def beside(screening: Screening, unread: Mapping[str, int], policy: Unscanned) -> Screening:
    """The screening of the texts, with a finding for each kind of part that the policy does not simply allow."""
    answers = {kind: policy.answer(kind) for kind in unread}
    findings = tuple(
        Finding(GUARD, UNSCANNED, 1.0, action, kind)
        for kind, action in answers.items()
        if action is not Action.ALLOW
    )
    return replace(
        screening,
        action=max(screening.action, *answers.values()),
        findings=(*screening.findings, *findings),
        unscanned=dict(unread),
    )
