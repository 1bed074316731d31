"""The demo's figures as a table on the screen."""

from rich.table import Table

from finetune.demo.outcome import Change, Outcome


def table(outcome: Outcome) -> Table:
    """What was measured, each figure with its interval."""
    found = Table(title="What was measured", title_justify="left")
    for column in ("", "before", "after", "95 % interval of the change"):
        found.add_column(column)
    found.add_row("unsafe compliance", *change_told(outcome.unsafe_compliance))
    found.add_row("benign refusals", *change_told(outcome.benign_refusal))
    reward, learning = outcome.reward, outcome.learning
    means = [f"n={n} {mean:+.2f}" for n, mean in reward.mean_by_n.items()]
    low, high = reward.gain_interval
    found.add_row("reward by n", means[0], means[-1], f"{reward.gain:+.2f} sd ({low:+.2f} to {high:+.2f})")
    found.add_row("flagged exchanges", str(outcome.guard.flagged), f"{outcome.ledger.flagged_lost} lost", "")
    found.add_row("pairs", str(learning.pairs), learning.version or "not promoted", "")
    if swap := outcome.swap:
        what = f"{swap.failed} failed, {swap.mixed_versions} mixed"
        found.add_row("requests during the swap", str(swap.requests_during), what, f"in {swap.seconds:.1f} s")
    return found


def change_told(change: Change) -> tuple[str, str, str]:
    """A rate before and after, and the interval of the difference in points."""
    low, high = change.difference_interval
    return f"{change.before:.1%}", f"{change.after:.1%}", f"{100 * low:+.1f} to {100 * high:+.1f} points"
