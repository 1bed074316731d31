"""What a guard's verdicts are known by: its kind, its config, and what its kind says of lists and weights."""

import hashlib
import json
from collections.abc import Iterable

from guards.policy.feasible import Plan


def fingerprint_of(plan: Plan) -> str:
    """The same for guards of one id that give the same verdicts, whatever follows from them."""
    content = [plan.rule.kind, plan.rule.config, plan.kind.revision(plan.config)]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:16]


def fingerprints_of(plans: Iterable[Plan]) -> dict[str, str]:
    """Those of a policy's guards, by id."""
    return {plan.rule.id: fingerprint_of(plan) for plan in plans}
