"""A policy's own cases: it is accepted only where all that can be decided come out as expected."""

import pytest

from guards.acceptance import accept, tried
from guards.screen import Screen
from guards.verdict import PolicyRefused
from tests.fakes.opinions import opinions, screen_of

POLICY = """
name: cases
version: 1
guards:
  - id: one
    kind: told
    where: [prompt, reply]
    on_error: closed
    hazards: {hte: [{action: flag, threshold: 0.3}, {action: refuse, threshold: 0.6}]}
cases:
"""


def screen(*cases: str) -> Screen:
    return screen_of(POLICY + "".join(f"  - {{{case}}}\n" for case in cases), opinions())


async def refusal(*cases: str) -> str:
    with pytest.raises(PolicyRefused) as refused:
        await accept(screen(*cases))
    return str(refused.value)


async def test_a_policy_whose_cases_hold_is_accepted() -> None:
    held = screen("text: one=0.1, expect: allow", "text: one=0.7, where: reply, expect: refuse, hazard: hte")
    assert await accept(held) == []


async def test_every_case_that_comes_out_otherwise_is_told_with_its_place_and_why() -> None:
    told = await refusal(
        "text: one=0.4, expect: allow", "text: one=0.1, expect: flag", "text: one=0.7, expect: refuse"
    )
    assert told.splitlines() == [
        "opinions.yaml:11:5: cases[0]: 'one=0.4': expected allow, and the policy says flag (one: hte 0.40)",
        "opinions.yaml:12:5: cases[1]: 'one=0.1': expected flag, and the policy says allow (one: hte 0.10)",
    ]


async def test_a_hazard_that_is_not_found_is_told() -> None:
    assert "expected vcr to be found, and it was not (one: hte 0.70)" in await refusal(
        "text: one=0.7, expect: refuse, hazard: vcr"
    )


async def test_a_text_that_would_leave_otherwise_is_told() -> None:
    told = await refusal("text: one=0.1, expect: allow, delivered: something else")
    assert "the text would leave as 'one=0.1', and not as `delivered` has it" in told


async def test_a_long_text_is_told_by_its_beginning() -> None:
    assert "…'" in await refusal(f"text: one=0.7 {'x' * 200}, expect: allow")


async def test_a_case_that_cannot_be_decided_says_nothing_about_the_policy() -> None:
    undecided = await accept(screen("text: one=away, expect: allow", "text: one=0.1, expect: allow"))
    assert [one.number for one in undecided] == [0]


async def test_each_case_is_tried_in_its_direction_and_with_its_request() -> None:
    kinds = opinions()
    outcomes = await tried(
        screen_of(POLICY + "  - {text: one=0.7, where: tool_result, expect: allow}\n", kinds)
    )
    assert [one.screening.action.word for one in outcomes] == ["refuse"]
