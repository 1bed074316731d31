"""`trimtab policy`, as far as it needs no gateway: check a guard policy, and show what it says."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from guards.policy.load import GuardPolicy

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Guard policies: write, check, compare, and put in force what must not pass.",
)
out = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)

PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help="A guard policy. Default: the one that comes with Trimtab.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.command()
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


@app.command()
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
