"""Verdicts are known by what made them, not by what a policy calls it."""

from pathlib import Path

from guards.fingerprint import fingerprints_of
from guards.policy.load import read_policy

GUARD = """
  - id: {name}
    kind: patterns
    where: [prompt]
    on_error: {on_error}
    hazards: {{"*": {{action: flag, threshold: {threshold}}}}}
    config: {{sets: [{chosen}]}}
"""


def fingerprint(
    name: str = "a", on_error: str = "open", threshold: float = 0.5, chosen: str = "secrets"
) -> str:
    guard = GUARD.format(name=name, on_error=on_error, threshold=threshold, chosen=chosen)
    policy = read_policy(f"name: p\nversion: 1\nguards:{guard}", "p", Path())
    return fingerprints_of(policy.plans)[name]


def test_name_threshold_and_on_error_do_not_count() -> None:
    assert fingerprint() == fingerprint("b", "closed", 0.9)


def test_what_it_looks_for_counts() -> None:
    assert fingerprint() != fingerprint(chosen="personal")
