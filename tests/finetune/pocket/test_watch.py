"""Progress of a build where there is no terminal."""

from io import StringIO

from rich.console import Console

from finetune.pocket.watch import Bars


def test_a_log_file_gets_a_line_for_each_beginning_and_end():
    out = StringIO()
    with Bars(Console(file=out, width=80)) as bars:
        bars.began("policy")
        bars.advanced(1, 2, "half")
        bars.ended("policy", "loss 0.5")
    assert out.getvalue().splitlines() == ["policy …", "policy: loss 0.5"]


def test_a_step_that_was_done_before_says_so():
    out = StringIO()
    with Bars(Console(file=out, width=80)) as bars:
        bars.ended("corpus", "40 rows", again=True)
    assert "done before" in out.getvalue()
