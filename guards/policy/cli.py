"""`trimtab policy`, as far as it needs no gateway: check a guard policy, and show what it says."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from guards.acceptance import Outcome
    from guards.policy.load import GuardPolicy
    from guards.policy.rule import Response, Rule
    from guards.services import Services

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Guard policies: write, check, compare, and put in force what must not pass.",
)
out = Console(highlight=False)
LONGEST_CELL = 60
complaints = Console(stderr=True, highlight=False)

PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help="A guard policy. Default: the one that comes with Trimtab.")
]
ServicesAt = Annotated[
    list[str] | None,
    typer.Option(
        "--service",
        help="A service that the policy names, as NAME=URL; again for each. Those of trimtab.yaml are known.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.command()
def lint(
    file: Annotated[Path, typer.Argument(help="The guard policy to check.")],
    service: ServicesAt = None,
    as_json: AsJson = False,
) -> None:
    """Check a policy as the gateway would before enforcing it. Exit code 1 when it would be refused."""
    from guards.acceptance import accept
    from guards.policy.load import load_policy
    from guards.screen import Screen
    from guards.verdict import PolicyRefused

    services = known_services(service)
    try:
        policy = load_policy(file, services=services)
        undecided = asyncio.run(services.during(accept(Screen(policy))))
    except PolicyRefused as refused:
        faults = str(refused).splitlines()
        if as_json:
            typer.echo(json.dumps({"ok": False, "faults": faults}))
        else:
            for fault in faults:
                complaints.print(fault, markup=False, soft_wrap=True)
        raise typer.Exit(1) from refused
    cases = len(policy.document.cases)
    if as_json:
        told = {"ok": True, "faults": [], "hash": policy.hash, "cases": cases, "undecided": len(undecided)}
        typer.echo(json.dumps(told))
    else:
        about = f"{policy.name} version {policy.version}, hash {policy.hash[:16]}"
        out.print(f"{file}: fine. {about}; {cases - len(undecided)} of its {cases} cases hold", markup=False)


@app.command("test")
def try_cases(
    file: Annotated[Path, typer.Argument(help="The guard policy whose cases are tried.")],
    service: ServicesAt = None,
    as_json: AsJson = False,
) -> None:
    """Try a policy's own cases, and show what became of each. Exit code 1 when one came out otherwise."""
    from guards.acceptance import tried
    from guards.screen import Screen

    services = known_services(service)
    policy = opened(file, services)
    outcomes = asyncio.run(services.during(tried(Screen(policy))))
    if as_json:
        typer.echo(json.dumps([case_told(one) for one in outcomes], ensure_ascii=False))
    elif outcomes:
        show_cases(outcomes)
    else:
        out.print(f"{file} has no cases; write some under `cases:`, a text and what is expected of it")
    raise typer.Exit(1 if any(one.faults and one.decided for one in outcomes) else 0)


@app.command()
def show(
    policy: PolicyFile = None,
    service: ServicesAt = None,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="The whole document as it is in effect.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a policy says in effect: which guards run where, and what follows from which probability."""
    found = opened(policy, known_services(service))
    document = found.document.model_dump(mode="json", by_alias=True, exclude={"extends", "without"})
    if as_json:
        typer.echo(json.dumps({"hash": found.hash, "document": document}, ensure_ascii=False))
    elif as_yaml:
        import yaml

        typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110), nl=False)
    else:
        show_policy(found)


@app.command()
def diff(
    before: Annotated[
        Path, typer.Argument(help="A guard policy, as a file or by the name of a bundled one.")
    ],
    after: Annotated[Path, typer.Argument(help="The one that might take its place.")],
    service: ServicesAt = None,
    as_json: AsJson = False,
) -> None:
    """Show in what two policies differ in effect, after all that they extend. Exit code 1 when they do."""
    from guards.policy.difference import differences

    services = known_services(service)
    found = differences(opened(before, services), opened(after, services))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False))
    elif not found:
        out.print("the two say the same")
    else:
        table = Table("place", "before", "after", box=None, padding=(0, 2, 0, 0))
        for one in found:
            table.add_row(
                *(Text(told, overflow="fold") for told in (one.place, worded(one.before), worded(one.after)))
            )
        out.print(table)
    raise typer.Exit(1 if found else 0)


@app.command()
def schema() -> None:
    """Print the JSON Schema of policy documents, with which editors complete and check what is written."""
    from guards.kinds import installed_kinds
    from guards.policy.schema import schema_of

    typer.echo(json.dumps(schema_of(installed_kinds()), indent=1, ensure_ascii=False))


def brief(shown: str) -> Text:
    """A text in a table's cell, short."""
    return Text(shown if len(shown) <= LONGEST_CELL else shown[:LONGEST_CELL] + "…")


def worded(value: object) -> str:
    """A value of a policy in words: absent, responses as one would say them, else as JSON."""
    if value is None:
        return "—"
    if (
        isinstance(value, list)
        and value
        and all(isinstance(one, dict) and "threshold" in one for one in value)
    ):
        return ", ".join(f"{one['action']} from {one['threshold']:g}" for one in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def response_told(response: "Response") -> str:
    """What follows, from which probability on."""
    kept = ", put back for the client" if response.reversible else ""
    return f"{response.action} from {response.threshold:g}{kept}"


def band_told(asker: "Rule") -> str:
    """Where a guard is unsure."""
    assert asker.unsure is not None
    about = f" of {asker.unsure.hazard}" if asker.unsure.hazard else ""
    return f"{asker.unsure.low:g} to {asker.unsure.high:g}{about}"


def case_told(one: "Outcome") -> dict[str, object]:
    """One outcome as JSON has it."""
    return {
        "case": one.number,
        "text": one.case.text,
        "where": one.case.where,
        "expected": one.case.expect,
        "action": one.screening.action.word,
        "hazards": one.screening.hazards,
        "decided": one.decided,
        "faults": one.faults,
    }


def show_cases(outcomes: "Sequence[Outcome]") -> None:
    """A row for each case, then how many hold."""
    table = Table("", "where", "text", "expected", "got", box=None, padding=(0, 2, 0, 0))
    for one in outcomes:
        word = "undecided" if not one.decided else "failed" if one.faults else "ok"
        got = "; ".join(one.faults) or one.screening.action.word
        table.add_row(word, one.case.where, brief(one.case.text), one.case.expect, Text(got))
    out.print(table)
    held = sum(one.decided and not one.faults for one in outcomes)
    out.print(f"{held} of {len(outcomes)} cases hold")


def known_services(told: list[str] | None) -> "Services":
    """The services that the settings and the command line tell of, or an exit that says what is wrong with them."""
    from guards.settings import ServicesInvalid, load_services

    try:
        return load_services(told or ())
    except ServicesInvalid as error:
        complaints.print(str(error), markup=False)
        raise typer.Exit(2) from error


def opened(file: Path | None, services: "Services | None" = None) -> "GuardPolicy":
    """The policy, or an exit that says what is wrong with it."""
    from guards.policy.load import load_policy
    from guards.verdict import PolicyRefused

    try:
        return load_policy(file, services=known_services(None) if services is None else services)
    except PolicyRefused as refused:
        complaints.print(str(refused), markup=False, soft_wrap=True)
        raise typer.Exit(1) from refused


def show_policy(policy: "GuardPolicy") -> None:
    """Name, hash, bounds, and a table of guards."""
    from guards.hazards import HAZARDS
    from guards.policy.cascade import asked_by

    out.print(f"{policy.name} version {policy.version}  hash {policy.hash}", markup=False)
    stream, bounds = policy.stream, policy.bounds
    out.print(f"streams hold back {stream.hold_back_chars} characters; n ≤ {bounds.max_n}", markup=False)
    own = policy.document.unscanned.model_dump(exclude_none=True)
    unread = ", ".join(f"{kind}: {word}" for kind, word in own.items())
    out.print(f"parts that no guard reads: {unread}", markup=False)
    refusal, additions = policy.refusal, policy.document.additions
    spoken = f"; also in {', '.join(refusal.texts)}" if refusal.texts else ""
    out.print(f"what is refused ({refusal.shape}): {refusal.text}{spoken}", markup=False)
    for one in additions:
        out.print(f"added to replies: {one.text}", markup=False)
    asking = asked_by(policy.document.guards)
    table = Table("guard", "kind", "where", "on error", "hazard", "then", box=None, padding=(0, 2, 0, 0))
    for plan in policy.plans:
        rule = plan.rule
        head = [rule.id, rule.kind, ", ".join(rule.where), rule.on_error]
        for hazard, responses in rule.hazards.items():
            said = ", ".join(map(response_told, responses))
            table.add_row(*head, f"{hazard} ({HAZARDS.get(hazard, 'your own')})", said)
            head = ["", "", "", ""]
        for asker in asking.get(rule.id, ()):
            table.add_row(*head, "", f"heard where {asker.id} is unsure: {band_told(asker)}")
    out.print(table)
