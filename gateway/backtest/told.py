"""What a backtest found, as JSON and for people."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.backtest.tally import MEANS, Tally

Json = dict[str, Any]
KINDS = ("hazard", "guard", "direction")
SHIFTS = ("appears", "goes", "changes")


def told(tally: Tally, names: Mapping[str, Any], texts: Mapping[str, str] | None = None) -> Json:
    """The whole count; `names` says what was compared, `texts` are those of samples, where they may be shown."""
    return {
        **names,
        "exchanges": tally.exchanges,
        "changed": tally.changed,
        "from_scores": tally.means[MEANS[0]],
        "by_guards": tally.means[MEANS[1]],
        "unknown": dict(sorted(tally.unknown.items())),
        "unanswered": tally.unanswered,
        "unreadable_rows": tally.unread,
        "complaint": tally.complaint,
        "actions": [
            {"before": before, "after": after, "exchanges": count}
            for (before, after), count in sorted(tally.actions.items())
        ],
        "shifts": {f"{kind}s": dict(shifts_told(tally, kind)) for kind in KINDS},
        "samples": list(samples_told(tally, texts or {})),
    }


def shifts_told(tally: Tally, kind: str) -> Iterator[tuple[str, dict[str, int]]]:
    """For each hazard, guard or direction: in how many exchanges it appears, goes, or is answered otherwise."""
    for name in sorted({which for own, which, _ in tally.shifts if own == kind}):
        yield name, {shift: tally.shifts[kind, name, shift] for shift in SHIFTS}


def samples_told(tally: Tally, texts: Mapping[str, str]) -> Iterator[Json]:
    """The samples of each kind of change."""
    for _, samples in sorted(tally.samples.items()):
        for one in samples:
            found = [
                {"direction": direction, "guard": guard, "hazard": hazard}
                for direction, guard, hazard in one.found
            ]
            sample = {"exchange": one.exchange, "before": one.before, "after": one.after, "finds": found}
            yield sample | ({"text": texts[one.exchange]} if one.exchange in texts else {})


def show(report: Mapping[str, Any], out: Console) -> None:
    """The count for people."""
    decided = (
        f"{report['from_scores']:,} decided from stored scores, {report['by_guards']:,} by asking guards"
    )
    out.print(f"{report['draft']['said']} against {report['against']['said']}", markup=False)
    out.print(f"{report['exchanges']:,} exchanges: {decided}", markup=False)
    for reason, count in report["unknown"].items():
        out.print(f"{count:,} cannot be decided: {reason}", markup=False)
    if report["unanswered"]:
        out.print(f"{report['unanswered']:,} prompts would pass that no model was asked", markup=False)
    out.print(f"{report['changed']:,} would end otherwise\n")
    out.print(table(("before", "after", "exchanges"), rows_of(report["actions"])))
    for kind, shifts in report["shifts"].items():
        if shifts:
            rows = [(name, *(f"{one[shift]:,}" for shift in SHIFTS)) for name, one in shifts.items()]
            out.print(table((kind, *SHIFTS), rows))
    for sample in report["samples"]:
        found = ", ".join(f"{one['hazard']} in {one['direction']}" for one in sample["finds"]) or "nothing"
        change = f"{sample['before']} → {sample['after']}"
        out.print(f"{change}  {sample['exchange']}  finds {found}", markup=False, soft_wrap=True)
        if "text" in sample:
            out.print(f"    {sample['text']}", markup=False, soft_wrap=True)


def rows_of(actions: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Changes first, the most frequent before the others."""
    ordered = sorted(actions, key=lambda one: (one["before"] == one["after"], -one["exchanges"]))
    return [(one["before"], one["after"], f"{one['exchanges']:,}") for one in ordered]


def table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    """A plain table."""
    made = Table(*head, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        made.add_row(*row)
    return made
