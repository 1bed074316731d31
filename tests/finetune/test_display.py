"""What people see."""

import io
from datetime import UTC, datetime

from rich.console import Console

from finetune.display import Screen, cut, print_exam, print_history, print_outcome
from finetune.exams.report import compare, report_of
from finetune.history import RunSeen, StepSeen
from finetune.retrain import Outcome
from tests.fakes.retraining import marks


def console() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=160), out


def test_a_promotion_names_the_version() -> None:
    screen, out = console()
    print_outcome(screen, Outcome("rt-1", promoted=True, reasons=(), version="policy-abc"))
    assert "policy-abc is live" in out.getvalue()


def test_every_reason_is_told_as_it_stands() -> None:
    screen, out = console()
    print_outcome(screen, Outcome("rt-1", promoted=False, reasons=("reward: [-1, +2]", "length: too long")))
    assert "traffic is as it was" in out.getvalue()
    assert "reward: [-1, +2]" in out.getvalue()
    assert "length: too long" in out.getvalue()


def test_an_exam_is_shown_with_intervals() -> None:
    screen, out = console()
    print_exam(screen, report_of(marks(0.6, 1.0)))
    assert "60.0% [" in out.getvalue()
    assert "not independent" in out.getvalue()


def test_two_policies_are_shown_with_their_difference() -> None:
    screen, out = console()
    print_exam(screen, compare(marks(0.6, 0.0), marks(0.1, 1.0)))
    assert "-50.0 points" in out.getvalue()


def test_steps_leave_a_line_each() -> None:
    screen, out = console()
    with Screen(screen) as progress:
        progress.began("train")
        progress.advanced(3, 9, "loss 0.5")
        progress.ended("train", "adapter [abc]")
        progress.ended("exam", "fine", again=True)
    assert "train  adapter [abc]" in out.getvalue()
    assert "done before: exam" in out.getvalue()


def test_long_texts_are_cut_to_one_line() -> None:
    assert cut("a\nb") == "a b"
    assert len(cut("word " * 50)) == 60


def test_a_version_on_its_way_is_no_failure() -> None:
    console = Console(record=True, width=200)
    on_its_way = Outcome("rt-1", promoted=False, reasons=("told",), version="v2", rollout="ro-1")
    print_outcome(console, on_its_way)
    said = console.export_text()
    assert "on its way" in said
    assert "rollout ro-1" in said
    assert "not promoted" not in said


def run_seen(*, alive: bool) -> RunSeen:
    """A run whose training began."""
    steps = (
        StepSeen("pairs", "done", 1.5, "201 pairs from 116 exchanges", {}),
        StepSeen("train", "started", None, "", {}),
    )
    return RunSeen("rt-20261128-155606-abcdef", "running", (), "host:1:aa", alive, datetime.now(UTC), steps)


def history_told(run: RunSeen) -> str:
    """As a screen of eighty columns has it."""
    out = io.StringIO()
    print_history(Console(file=out, width=80), [run])
    return out.getvalue()


def test_a_run_that_nobody_works_on_is_stopped_and_the_next_goes_on() -> None:
    told = history_told(run_seen(alive=False))
    assert "rt-20261128-155606-abcdef  stopped; the next `run` goes on" in told
    assert ("running" in told, "started" in told) == (False, False)


def test_a_run_that_is_worked_on_is_running_and_says_who_holds_it() -> None:
    told = history_told(run_seen(alive=True))
    assert ("running" in told, "held by host:1:aa" in told, "stopped" in told) == (True, True, False)


def test_on_eighty_columns_a_result_keeps_to_its_line() -> None:
    assert "201 pairs from 116 exchanges" in history_told(run_seen(alive=False))


def test_a_version_that_was_kept_out_says_what_to_try() -> None:
    screen, out = console()
    kept = Outcome("rt-1", promoted=False, reasons=("benign refusals (over_refusal): +22.0 points",))
    print_outcome(screen, kept, ["over_refusal"])
    assert "What to try (docs/gate.md#what-to-do):" in out.getvalue()
    assert "finetune.filters.refusals" in out.getvalue()


def test_without_a_terminal_a_step_tells_that_it_begins_and_how_far_it_is() -> None:
    screen, out = console()
    with Screen(screen) as progress:
        progress.began("train")
        progress.advanced(3, 16, "loss [0.5]")
        progress.measured({"steps": 16})
        progress.ended("train", "adapter")
    assert out.getvalue().splitlines() == [
        "train: begins",
        "train: 3 of 16, loss [0.5]",
        "train: 16 steps",
        "✓ train  adapter",
    ]


def test_on_a_terminal_no_bar_is_drawn_after_its_line() -> None:
    out = io.StringIO()
    with Screen(Console(file=out, width=160, force_terminal=True)) as progress:
        progress.began("exam")
        progress.advanced(5, 6)
        progress.ended("exam", "fine")
        after = out.getvalue().split("fine")[1]
    assert "exam" not in after
