"""A cascade: a guard that is unsure asks another, whose word then counts in its place."""

from pathlib import Path

import pytest

from guards.kinds import installed_kinds
from guards.policy.cascade import levels
from guards.policy.load import read_policy
from guards.screen import Screen
from guards.verdict import Action, PolicyRefused, Screening, Segment
from tests.fakes.opinions import Telling, opinions, screen_of

POLICY = """
name: cascade
version: 1
guards:
  - id: cheap
    kind: {cheap}
    where: [prompt]
    on_error: open
    hazards: {{hte: {{action: refuse, threshold: 0.5}}}}
    unsure: {{from: 0.2, to: 0.8, ask: dear}}
  - id: dear
    kind: {dear}
    where: [prompt]
    on_error: closed
    hazards: {{hte: {{action: refuse, threshold: 0.5}}}}
"""


class Cascade:
    """A screen of two guards, and what each was shown."""

    def __init__(self, cheap: str, dear: str) -> None:
        self.kinds = opinions()
        self.screen: Screen = screen_of(POLICY.format(cheap=cheap, dear=dear), self.kinds)
        self.dear = self.kinds[dear].built["dear"]
        self.cheap = self.kinds[cheap].built["cheap"]

    async def says(self, text: str) -> Screening:
        return await self.screen.prompt([Segment(text, "prompt")])


@pytest.fixture(params=[(a, b) for a in ("told", "reckoned") for b in ("told", "reckoned")], ids="-".join)
def cascade(request: pytest.FixtureRequest) -> Cascade:
    return Cascade(*request.param)


@pytest.mark.parametrize("sure", ["cheap=0.1 dear=0.9", "cheap=0.19 dear=0.9"])
async def test_who_is_sure_that_nothing_is_wrong_asks_nobody(cascade: Cascade, sure: str) -> None:
    screening = await cascade.says(sure)
    assert screening.action is Action.ALLOW
    assert not cascade.dear.shown


async def test_who_is_sure_that_something_is_wrong_asks_nobody(cascade: Cascade) -> None:
    screening = await cascade.says("cheap=0.9 dear=0")
    assert [found.guard for found in screening.findings] == ["cheap"]
    assert not cascade.dear.shown


@pytest.mark.parametrize("unsure", ["0.2", "0.6", "0.8"])
async def test_where_one_is_unsure_the_word_of_the_other_counts(cascade: Cascade, unsure: str) -> None:
    assert (await cascade.says(f"cheap={unsure} dear=0.1")).action is Action.ALLOW
    screening = await cascade.says(f"cheap={unsure} dear=0.7")
    assert [found.guard for found in screening.findings] == ["dear"]


async def test_both_verdicts_are_kept_so_that_other_thresholds_can_be_tried(cascade: Cascade) -> None:
    screening = await cascade.says("cheap=0.6 dear=0.1")
    assert {verdict.guard: verdict.probability for verdict in screening.verdicts} == {
        "cheap": 0.6,
        "dear": 0.1,
    }


async def test_who_cannot_answer_fails_as_its_own_rule_says_and_the_doubt_stands(cascade: Cascade) -> None:
    screening = await cascade.says("cheap=0.6 dear=raves")
    assert [(one.guard, one.action) for one in screening.failures] == [("dear", Action.REFUSE)]
    assert [found.guard for found in screening.findings] == ["cheap"]
    assert screening.scanned_bytes == 0


async def test_who_fails_asks_nobody(cascade: Cascade) -> None:
    screening = await cascade.says("cheap=raves dear=0.9")
    assert screening.action is Action.FLAG
    assert not cascade.dear.shown


@pytest.mark.parametrize("text", ["cheap=0.1", "cheap=0.5 dear=0.1"])
async def test_a_text_counts_as_scanned_once_all_that_are_wanted_have_judged_it(
    cascade: Cascade, text: str
) -> None:
    assert (await cascade.says(text)).scanned_bytes == len(text)


async def test_the_same_text_again_is_judged_the_same(cascade: Cascade) -> None:
    first = await cascade.says("cheap=0.5 dear=0.9")
    again = await cascade.says("cheap=0.5 dear=0.9")
    assert (first.findings, first.action, first.scanned_bytes) == (
        again.findings,
        again.action,
        again.scanned_bytes,
    )


async def test_segments_are_asked_about_one_by_one(cascade: Cascade) -> None:
    await cascade.screen.prompt([Segment("cheap=0.5", "prompt"), Segment("cheap=0.1", "prompt")])
    assert cascade.dear.shown == ["cheap=0.5"]


def refusal(text: str) -> str:
    kinds: dict[str, Telling] = opinions()
    with pytest.raises(PolicyRefused) as refused:
        read_policy(text, "p.yaml", Path(), kinds)
    return str(refused.value)


WRITTEN = POLICY.format(cheap="told", dear="told")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "ask: dear",
            "ask: nobody",
            "p.yaml:10:5: guards[0].unsure: no guard is called 'nobody'; there are cheap, dear",
        ),
        ("ask: dear", "ask: cheap", "asks itself in the end, by way of 'cheap'"),
        ("from: 0.2, to: 0.8", "from: 0.8, to: 0.2", "from must be less than to"),
        ("to: 0.8", "to: 1.8", "must be at most 1"),
        (
            "where: [prompt]\n    on_error: closed",
            "where: [reply]\n    on_error: closed",
            "asks 'dear' about prompt, which that one never reads",
        ),
        (
            "where: [prompt]\n    on_error: closed",
            "where: [prompt]\n    skip_parts: [system]\n    on_error: closed",
            "asks 'dear' about system, which that one never reads",
        ),
    ],
)
def test_a_cascade_that_cannot_be_is_refused(old: str, new: str, says: str) -> None:
    assert says in refusal(WRITTEN.replace(old, new))


def test_a_circle_is_refused() -> None:
    text = WRITTEN.rstrip() + "\n    unsure: {from: 0.1, to: 0.2, ask: cheap}\n"
    assert refusal(text).count("asks itself in the end") == 2


def test_guards_are_heard_after_all_that_may_ask_them() -> None:
    rules = read_policy(WRITTEN, "p", Path(), opinions()).document.guards
    assert levels(rules) == {"cheap": 0, "dear": 1}


TWO_HAZARDS = """
name: two
version: 1
guards:
  - id: first
    kind: patterns
    where: [prompt]
    on_error: closed
    hazards: {X.sure: {action: refuse}, X.doubt: {action: flag, threshold: 0.3}}
    unsure: {from: 0.3, to: 0.8, hazard: X.doubt, ask: dear}
    config:
      patterns:
        sure: {hazard: X.sure, terms: [bomb]}
        doubt: {hazard: X.doubt, terms: [maybe], probability: 0.5}
  - id: dear
    kind: told
    where: [prompt]
    on_error: closed
    hazards: {hte: {action: refuse, threshold: 0.5}}
"""


@pytest.mark.parametrize(
    ("text", "action"),
    [("a bomb", Action.REFUSE), ("maybe a bomb", Action.REFUSE), ("maybe", Action.ALLOW)],
)
async def test_what_is_certain_stands_beside_what_is_in_doubt(text: str, action: Action) -> None:
    screen = screen_of(TWO_HAZARDS, {**installed_kinds(), **opinions()})
    assert (await screen.prompt([Segment(text, "prompt")])).action is action


def test_a_guard_cannot_be_unsure_about_what_it_never_reports() -> None:
    assert "can never be unsure about X.typo" in refusal(
        WRITTEN.replace("ask: dear", "hazard: X.typo, ask: dear")
    )
