"""Which redactions a policy wants undone: those of prompts whose every response says so."""

import asyncio
from pathlib import Path

import pytest

from guards.policy.load import read_policy
from guards.screen import Screen
from guards.verdict import Context, Segment, Where

MAIL = "anna@example.org"
POLICY = """
name: hiding
version: 1
guards:
  - id: contacts
    kind: patterns
    where: [prompt, reply]
    on_error: closed
    hazards: {G.pii: [%s]}
    config: {sets: [contacts]}
"""
BACK = "{action: redact, threshold: 0.5, reversible: true}"
GONE = "{action: redact, threshold: 0.9}"


def cuts(responses: str, where: Where) -> list[bool]:
    screen = Screen(read_policy(POLICY % responses, "hiding.yaml", Path()))
    found = asyncio.run(screen.screen([Segment(f"I am {MAIL}", where)], Context()))
    return [cut.reversible for cut in found.redactions[0]]


@pytest.mark.parametrize(
    ("responses", "where", "expected"),
    [
        (BACK, "prompt", [True]),
        (BACK, "reply", [False]),
        (GONE, "prompt", [False]),
        (f"{BACK}, {GONE}", "prompt", [False]),
        (f"{BACK}, {{action: flag, threshold: 0.2}}", "prompt", [True]),
    ],
)
def test_a_cut_is_reversible_where_all_say_so(responses: str, where: Where, expected: list[bool]) -> None:
    assert cuts(responses, where) == expected
