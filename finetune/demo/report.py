"""The demo's report: one HTML page that needs nothing beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from finetune.demo import plots
from finetune.demo.outcome import Change, Interval, Outcome
from finetune.demo.traffic import Answer


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt, and an answer of the bare policy before and after."""

    prompt: str
    before: str
    after: str


def write(
    path: Path, outcome: Outcome, answers: Sequence[Answer], flipped: float, samples: list[Sample]
) -> None:
    """Write the report; prompts and answers are escaped."""
    template = files("finetune.demo").joinpath("report.html.jinja").read_text()
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(template)
    rows = [(sample.prompt, sample.before, sample.after) for sample in samples]
    pictures = drawn(outcome, answers, flipped)
    path.write_text(page.render(outcome=outcome, headlines=headlines(outcome), plots=pictures, samples=rows))


def headlines(outcome: Outcome) -> list[tuple[str, str, str]]:
    """The figures a reader should take away: what it is, its value, its interval."""
    reward, kept = outcome.reward, outcome.ledger
    unsafe, benign = outcome.unsafe_compliance, outcome.benign_refusal
    figures = [
        ("unsafe compliance", arrow(unsafe), f"difference {points(unsafe.difference_interval)} points"),
        ("benign refusals", arrow(benign), f"difference {points(benign.difference_interval)} points"),
        ("reward gained by n", f"{reward.gain:+.2f} sd", f"95 % {spelled(reward.gain_interval)}"),
        ("flagged exchanges lost", str(kept.flagged_lost), f"of {kept.flagged_answered} answered"),
    ]
    if swap := outcome.swap:
        what = f"{swap.failed} failed, {swap.mixed_versions} mixed, {swap.seconds:.1f} s"
        figures.append(("requests during the swap", str(swap.requests_during), what))
    return figures


def drawn(outcome: Outcome, answers: Sequence[Answer], flipped: float) -> list[tuple[str, str, str]]:
    """Every plot with its title and how it was measured."""
    changes = {"unsafe compliance": outcome.unsafe_compliance, "benign refusals": outcome.benign_refusal}
    judged = f"{outcome.unsafe_compliance.answers} answers judged by {outcome.unsafe_compliance.judge}"
    pictures = [
        ("The bare policy, before and after", plots.before_and_after(changes), judged),
        ("More candidates, better answers", plots.reward_by_n(outcome.reward), outcome.reward.how),
        ("What the guards flagged", plots.flags_by_hazard(outcome.guard), outcome.guard.how),
        ("DPO at work", plots.training(outcome.learning), "TRL's rewards/margins on the training pairs"),
    ]
    if swap := outcome.swap:
        pictures.insert(2, ("A swap under load", plots.swap_timeline(answers, flipped), swap.how))
    return pictures


def arrow(change: Change) -> str:
    """A change of a rate, in whole percents."""
    return f"{change.before:.0%} → {change.after:.0%}"


def points(interval: Interval) -> str:
    """An interval of a difference of rates, in percentage points."""
    return f"{100 * interval[0]:+.0f} to {100 * interval[1]:+.0f}"


def spelled(interval: Interval) -> str:
    """An interval of a number."""
    return f"{interval[0]:.2f} to {interval[1]:.2f}"
