"""`trimtab guards`: screen a text from the terminal, and look after guard policies."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from guards.policy.load import GuardPolicy
    from guards.verdict import Screening

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Screen text, and check guard policies before they are enforced.",
)
policy_app = typer.Typer(no_args_is_help=True, help="Guard policies: check one, or show what it says.")
app.add_typer(policy_app, name="policy")
out = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)

SIDES = ("prompt", "reply")
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help="A guard policy. Default: the one that comes with Trimtab.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.command()
def check(
    text: Annotated[str, typer.Argument(help="The text to screen, or - to read it from standard input.")],
    policy: PolicyFile = None,
    where: Annotated[str, typer.Option(help="prompt or reply: on which side the text stands.")] = "prompt",
    asked: Annotated[str, typer.Option(help="The request, when the text is a reply to one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Screen a text, and show what every guard said and what follows. Exit code 3 when it may not pass."""
    from guards.screen import Screen
    from guards.verdict import Context, Segment

    if where not in SIDES:
        raise typer.BadParameter(f"{where!r} is neither prompt nor reply", param_hint="--where")
    screen = Screen(opened(policy))
    segment = Segment(sys.stdin.read() if text == "-" else text, "prompt" if where == "prompt" else "reply")
    context = Context((("user", asked),) if asked else ())
    screening = asyncio.run(screen.screen([segment], context))
    if as_json:
        typer.echo(json.dumps(told(screening), ensure_ascii=False))
    else:
        show_screening(screening)
    raise typer.Exit(3 if screening.withheld else 0)


@policy_app.command()
def lint(
    file: Annotated[Path, typer.Argument(help="The guard policy to check.")], as_json: AsJson = False
) -> None:
    """Check a policy as the gateway would before enforcing it. Exit code 1 when it would be refused."""
    from guards.policy.load import load_policy
    from guards.verdict import PolicyRefused

    try:
        policy = load_policy(file)
    except PolicyRefused as refused:
        faults = str(refused).splitlines()
        if as_json:
            typer.echo(json.dumps({"ok": False, "faults": faults}))
        else:
            for fault in faults:
                complaints.print(fault, markup=False)
        raise typer.Exit(1) from refused
    if as_json:
        typer.echo(json.dumps({"ok": True, "faults": [], "hash": policy.hash}))
    else:
        out.print(
            f"{file}: fine. {policy.name} version {policy.version}, hash {policy.hash[:16]}", markup=False
        )


@policy_app.command()
def show(policy: PolicyFile = None, as_json: AsJson = False) -> None:
    """Show what a policy says: which guards run where, and what follows from which probability."""
    found = opened(policy)
    if as_json:
        document = found.document.model_dump(mode="json", by_alias=True)
        typer.echo(json.dumps({"hash": found.hash, "document": document}, ensure_ascii=False))
    else:
        show_policy(found)


def opened(file: Path | None) -> "GuardPolicy":
    """The policy, or an exit that says what is wrong with it."""
    from guards.policy.load import load_policy
    from guards.verdict import PolicyRefused

    try:
        return load_policy(file)
    except PolicyRefused as refused:
        complaints.print(str(refused), markup=False)
        raise typer.Exit(1) from refused


def told(screening: "Screening") -> dict[str, Any]:
    """A screening as JSON has it."""
    return {
        "action": screening.action.word,
        "text": screening.text,
        "hazards": screening.hazards,
        "findings": [
            {
                "guard": one.guard,
                "hazard": one.hazard,
                "probability": one.probability,
                "action": one.action.word,
            }
            for one in screening.findings
        ],
        "failures": [
            {"guard": one.guard, "reason": one.reason, "action": one.action.word}
            for one in screening.failures
        ],
        "verdicts": [
            {
                "guard": one.guard,
                "scores": dict(one.scores),
                "spans": [
                    {
                        "start": span.start,
                        "end": span.end,
                        "hazard": span.hazard,
                        "label": span.label,
                        "view": span.view,
                    }
                    for span in one.spans
                ],
                "latency_seconds": one.latency_seconds,
            }
            for one in screening.verdicts
        ],
        "scanned_bytes": screening.scanned_bytes,
        "latency_seconds": screening.latency_seconds,
    }


def show_screening(screening: "Screening") -> None:
    """A table of verdicts, then the action and the text as it may be delivered."""
    table = Table("guard", "hazard", "probability", "action", "found", box=None, padding=(0, 2, 0, 0))
    actions = {(one.guard, one.hazard): one.action.word for one in screening.findings}
    for verdict in screening.verdicts:
        for hazard, score in sorted(verdict.scores.items(), key=lambda item: -item[1])[:4]:
            spans = ", ".join(f"{s.label} {s.start}–{s.end}" for s in verdict.spans if s.hazard == hazard)
            table.add_row(
                verdict.guard, hazard, f"{score:.3f}", actions.get((verdict.guard, hazard), ""), spans
            )
    for failure in screening.failures:
        table.add_row(failure.guard, "failed", "", failure.action.word, failure.reason)
    if table.row_count:
        out.print(table)
    ms = screening.latency_seconds * 1000
    out.print(f"action: {screening.action.word} ({screening.scanned_bytes} bytes scanned in {ms:.1f} ms)")
    if not screening.withheld:
        out.print(screening.text, markup=False)


def show_policy(policy: "GuardPolicy") -> None:
    """Name, hash, bounds, and a table of guards."""
    from guards.hazards import HAZARDS

    out.print(f"{policy.name} version {policy.version}  hash {policy.hash}", markup=False)
    stream, bounds = policy.stream, policy.bounds
    out.print(f"streams hold back {stream.hold_back_chars} characters; n ≤ {bounds.max_n}", markup=False)
    own = policy.document.unscanned.model_dump(exclude_none=True)
    unread = ", ".join(f"{kind}: {word}" for kind, word in own.items())
    out.print(f"parts that no guard reads: {unread}", markup=False)
    table = Table("guard", "kind", "where", "on error", "hazard", "then", box=None, padding=(0, 2, 0, 0))
    for plan in policy.plans:
        rule = plan.rule
        head = [rule.id, rule.kind, ", ".join(rule.where), rule.on_error]
        for hazard, responses in rule.hazards.items():
            said = ", ".join(f"{one.action} from {one.threshold:g}" for one in responses)
            table.add_row(*head, f"{hazard} ({HAZARDS.get(hazard, 'your own')})", said)
            head = ["", "", "", ""]
    out.print(table)
