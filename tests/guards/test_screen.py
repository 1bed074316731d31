"""A policy's guards together: failures obey `on_error`, the strictest wins, coverage is counted."""

import asyncio
import math
from pathlib import Path

import pytest

from guards.detectors.patterns import Patterns
from guards.policy.load import read_policy
from guards.screen import Screen
from guards.verdict import Action, Context, Segment, Span, Verdict
from tests.fakes.guards import (
    CRASHES,
    FAILS,
    FLAGGED,
    HANGS,
    RAVES,
    REDACTED,
    REFUSED,
    WordGuard,
    Words,
    word_screen,
)

FAILING = pytest.mark.parametrize("text", [FAILS, CRASHES, HANGS, RAVES])


def reply(text: str, part: str = "content") -> Segment:
    return Segment(text, "reply", part)


@FAILING
async def test_a_guard_that_cannot_decide_refuses_when_it_is_closed(text: str) -> None:
    screening = await word_screen(on_error="closed").reply([reply(text)])
    assert screening.withheld
    assert [failure.action for failure in screening.failures] == [Action.REFUSE]


@FAILING
async def test_a_guard_that_cannot_decide_lets_pass_but_flags_when_it_is_open(text: str) -> None:
    screening = await word_screen(on_error="open").reply([reply(text)])
    assert screening.action is Action.FLAG
    assert screening.flagged
    assert screening.text == text


@FAILING
async def test_what_a_guard_could_not_judge_does_not_count_as_scanned(text: str) -> None:
    screening = await word_screen(on_error="open").reply([reply("fine"), reply(text)])
    assert screening.scanned_bytes == len("fine")


@FAILING
async def test_a_failure_never_quotes_what_was_screened(text: str) -> None:
    screening = await word_screen().reply([reply(f"SENTINEL {text}")])
    assert "SENTINEL" not in screening.failures[0].reason


async def test_the_strictest_action_wins_and_every_finding_stays() -> None:
    screening = await word_screen().reply([reply(f"{FLAGGED} {REFUSED}")])
    assert screening.action is Action.REFUSE
    assert set(screening.hazards) == {"hte", "dfm"}


async def test_nothing_found_is_allowed_and_not_flagged() -> None:
    screening = await word_screen().prompt([Segment("hello", "prompt")])
    assert (screening.action, screening.flagged, screening.text) == (Action.ALLOW, False, "hello")


async def test_each_segment_is_redacted_by_itself() -> None:
    screening = await word_screen().reply([reply(f"a {REDACTED} b"), reply("c", "reasoning")])
    assert [segment.text for segment in screening.segments] == ["a [secret removed] b", "c"]
    assert screening.text == "a [secret removed] bc"


async def test_bytes_are_counted_in_utf8_lone_surrogates_too() -> None:
    screening = await word_screen().reply([reply("é\ud800")])
    assert screening.scanned_bytes == 5


async def test_a_guard_that_hangs_does_not_hold_up_the_others() -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    await word_screen(patience_ms=50).reply([reply(HANGS)])
    assert loop.time() - started < 30  # it sleeps for an hour


async def test_a_cancelled_screening_cancels_its_guards() -> None:
    guard = WordGuard()
    task = asyncio.create_task(word_screen(patience_ms=60_000, guard=guard).reply([reply(HANGS)]))
    while not guard.shown:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(asyncio.all_tasks()) == 1


class Scripted(WordGuard):
    """Answers with the verdict that it is given."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict

    async def check(self, segment: Segment, context: Context) -> Verdict:
        return self.verdict


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict("words", {"hte": math.nan}),
        Verdict("words", {"hte": math.inf}),
        Verdict("words", {"hte": -0.1}),
        Verdict("words", {"hte": 0.1}, (Span(0, 99, "hte"),)),
        Verdict("words", {"hte": 0.1}, (Span(-1, 2, "hte"),)),
    ],
)
async def test_garbage_is_a_failure(verdict: Verdict) -> None:
    screening = await word_screen(guard=Scripted(verdict)).reply([reply("hello")])
    assert screening.failures
    assert screening.withheld


class Quitter(WordGuard):
    """Is cancelled from within, as a client library may do to itself."""

    async def check(self, segment: Segment, context: Context) -> Verdict:
        raise asyncio.CancelledError


async def test_a_guard_that_cancels_itself_has_failed() -> None:
    screening = await word_screen(guard=Quitter()).reply([reply("hello")])
    assert screening.withheld
    assert screening.failures


async def test_what_should_be_redacted_but_has_no_place_is_refused() -> None:
    screening = await word_screen(guard=Scripted(Verdict("words", {"G.pii": 0.9}))).reply([reply("hello")])
    assert screening.action is Action.REFUSE


@pytest.mark.parametrize(("probability", "refused"), [(0.499, False), (0.5, True)])
async def test_the_configured_hazard_decides_not_the_likeliest(probability: float, refused: bool) -> None:
    guard = Scripted(Verdict("words", {"hte": probability, "dfm": 0.99}))
    screening = await word_screen(guard=guard).reply([reply("hello")])
    assert screening.withheld is refused


async def test_redaction_inside_of_json_leaves_json() -> None:
    screening = await word_screen().reply([reply(f'{{"to": "{REDACTED}"}}', "tool_arguments")])
    assert screening.text == '{"to": "[secret removed]"}'


async def test_redaction_that_would_break_json_is_refused() -> None:
    guard = Scripted(Verdict("words", {"G.pii": 0.9}, (Span(6, 9, "G.pii"),)))
    screening = await word_screen(guard=guard).reply([reply('{"n": 123}', "tool_arguments")])
    assert screening.action is Action.REFUSE


SKIPPING = """
name: skips
version: 1
guards:
  - id: words
    kind: words
    where: [prompt]
    skip_parts: [system]
    on_error: closed
    hazards: {"*": {action: refuse}}
"""


async def test_skipped_parts_and_other_sides_are_neither_judged_nor_counted() -> None:
    kinds = {"words": Words()}
    screen = Screen(read_policy(SKIPPING, "skips.yaml", Path(), kinds), kinds)
    segments = [Segment(REFUSED, "prompt", "system"), reply(REFUSED)]
    screening = await screen.prompt(segments)
    assert (screening.action, screening.scanned_bytes) == (Action.ALLOW, 0)


READING_ON = """
name: pieces
version: 1
guards:
  - id: words
    kind: patterns
    where: [reply]
    on_error: closed
    hazards: {X.bad: {action: refuse, threshold: 0.5}}
    config: {patterns: {bird: {hazard: X.bad, terms: [blue heron]}}}
  - id: alone
    kind: words
    where: [reply]
    on_error: closed
    hazards: {hte: {action: refuse, threshold: 0.5}}
"""


async def test_read_on_from_earlier_texts_only_those_are_asked_who_read_them() -> None:
    kinds = {"words": Words(), "patterns": Patterns()}
    screen = Screen(read_policy(READING_ON, "pieces.yaml", Path(), kinds), kinds)
    segment = Segment(f"heron {REFUSED}", "reply", earlier=("blue",))
    for _ in range(2):  # the second time from memory
        screening = await screen.reading_on([segment])
        assert [(one.guard, one.hazard) for one in screening.findings] == [("words", "X.bad")]
    alone = await screen.reply([Segment(f"heron {REFUSED}", "reply")])
    assert [one.hazard for one in alone.findings] == ["hte"]
    assert (await screen.reading_on([Segment(REFUSED, "reply")])).action is Action.ALLOW
