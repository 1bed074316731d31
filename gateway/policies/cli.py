"""`trimtab policy`: what guard policies alone need comes from their own package; what needs a gateway is added here."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from gateway.backtest.cli import backtest
from guards.policy.cli import AsJson, app, complaints, out
from guards.tuning.cli import tune

if TYPE_CHECKING:
    from gateway.admin.client import AdminClient

Json = dict[str, Any]
AdminUrl = Annotated[
    str | None,
    typer.Option(
        "--admin",
        envvar="TRIMTAB_ADMIN_URL",
        help="The admin address; by default that of `trimtab up`.",
    ),
]
AdminKey = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="TRIMTAB_ADMIN_KEY",
        show_default=False,
        help="A key with the role operator; by default the one that `trimtab up` made. Better in the environment.",
    ),
]
Home = Annotated[Path, typer.Option(help="Where `trimtab up` keeps its keys.")]
Cause = Annotated[str, typer.Option("--cause", help="Why; it is written into the audit trail.")]
Reference = Annotated[
    str, typer.Argument(help="A kept policy: its number, name or hash in `trimtab policy list`.")
]
Alias = Annotated[str | None, typer.Option(help="For requests of this model alone, not for all.")]
Shadow = Annotated[bool, typer.Option("--shadow", help="Only to look on: it judges the same traffic.")]
HOME = Path(".trimtab")

app.command()(backtest)
app.command()(tune)


@app.command()
def activate(  # noqa: PLR0913, PLR0917 - an option each
    file: Annotated[
        Path, typer.Argument(help="The guard policy, as a file or by the name of a bundled one.")
    ],
    cause: Cause = "activated from the command line",
    alias: Alias = None,
    shadow: Shadow = False,
    admin: AdminUrl = None,
    key: AdminKey = None,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Put a policy in force in a running gateway, within a second in every worker. A bad one changes nothing."""
    from guards.policy.extends import portable
    from guards.policy.load import policy_file
    from guards.verdict import PolicyRefused

    place = place_of(alias, shadow)
    try:
        document = portable(policy_file(file))
    except PolicyRefused as refused:
        complaints.print(str(refused), markup=False, soft_wrap=True)
        raise typer.Exit(1) from refused

    async def put(client: "AdminClient") -> Json:
        kept = await client.keep_policy(document, cause)
        return await client.choose_policy(kept["hash"], cause, place)

    told(asked(put, admin, key, home), place, as_json)


@app.command()
def restore(  # noqa: PLR0913, PLR0917 - an option each
    policy: Reference,
    cause: Cause = "restored from the command line",
    alias: Alias = None,
    shadow: Shadow = False,
    admin: AdminUrl = None,
    key: AdminKey = None,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Put a policy in force again that the gateway has kept, exactly as it was."""
    place = place_of(alias, shadow)
    told(asked(lambda client: client.choose_policy(policy, cause, place), admin, key, home), place, as_json)


@app.command()
def clear(
    alias: Alias = None,
    shadow: Shadow = False,
    cause: Cause = "cleared from the command line",
    admin: AdminUrl = None,
    key: AdminKey = None,
    home: Home = HOME,
) -> None:
    """Take away the policy of an alias, or the shadow."""
    place = place_of(alias, shadow)
    if place is None:
        raise typer.BadParameter(
            "say --alias NAME or --shadow; to replace the policy of all requests, use activate"
        )
    asked(lambda client: client.clear_policy(place, cause), admin, key, home)
    out.print(f"no policy stands at {place} any more", markup=False)


@app.command("list")
def list_policies(
    admin: AdminUrl = None, key: AdminKey = None, home: Home = HOME, as_json: AsJson = False
) -> None:
    """List the policies that a gateway has kept, the newest first, and where each is in force."""
    rows = asked(lambda client: client.policies(), admin, key, home)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("number", "name", "hash", "in force", "since", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        where = [*(["all"] if row["active"] else []), *row["places"]]
        table.add_row(
            str(row["number"]), row["name"], row["hash"][:12], ", ".join(where), row["created_at"][:16]
        )
    out.print(table)


@app.command("shadow")
def show_shadow(
    admin: AdminUrl = None, key: AdminKey = None, home: Home = HOME, as_json: AsJson = False
) -> None:
    """Show what the shadow policy would have done to the traffic that it has seen."""
    found: Json = asked(lambda client: client.shadow(), admin, key, home)
    if as_json:
        typer.echo(json.dumps(found))
    elif found["policy"] is None:
        out.print("no policy looks on; try: trimtab policy activate FILE --shadow")
    else:
        out.print(f"shadow {found['policy'][:12]}")
        table = Table("side", "was", "would be", "texts", box=None, padding=(0, 2, 0, 0))
        for row in sorted(found["counts"], key=lambda row: (row["side"], row["acted"], row["would"])):
            table.add_row(row["side"], row["acted"], row["would"], f"{row['texts']:,}")
        out.print(table)
        for one in found["differing"][:10]:
            hazards = ", ".join(one["hazards"]) or "nothing found"
            out.print(f"{one['exchange_id']}: {one['acted']} → {one['would']} ({hazards})", markup=False)


def place_of(alias: str | None, shadow: bool) -> str | None:
    """The place that options name; None is everywhere."""
    if alias is not None and shadow:
        raise typer.BadParameter("--alias and --shadow are two places; choose one")
    return "shadow" if shadow else None if alias is None else f"alias:{alias}"


def told(policy: Json, place: str | None, as_json: bool) -> None:
    """Say what stands where now, and what its operator should look after."""
    warnings = policy.get("warnings", [])
    if as_json:
        shown = {"name": policy["name"], "hash": policy["hash"], "place": place, "warnings": warnings}
        typer.echo(json.dumps(shown))
    else:
        where = "in force" if place is None else f"at {place}"
        out.print(
            f"{policy['name']} version {policy['version']}, hash {policy['hash'][:12]}, is {where}",
            markup=False,
        )
    for warning in warnings:
        told = f"warning: {warning}; guards that ask it fail, as their on_error says, until it is there"
        complaints.print(told, markup=False, soft_wrap=True)


def asked(
    ask: "Callable[[AdminClient], Awaitable[Any]]", admin: str | None, key: str | None, home: Path
) -> Any:
    """What the gateway's admin API answers; an exit with a sentence where it does not."""
    from gateway.admin.client import AdminClient, AdminFailed

    url, secret = address_of(admin, key, home)

    async def once() -> Any:
        async with AdminClient(url, secret) as client:
            return await ask(client)

    try:
        return asyncio.run(once())
    except AdminFailed as error:
        complaints.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


def address_of(admin: str | None, key: str | None, home: Path) -> tuple[str, str]:
    """Where the gateway listens for operators, and with which key: as told, else what `trimtab up` wrote down."""
    from gateway.up.credentials import Credentials, CredentialsUnreadable

    try:
        saved = None if admin and key else Credentials.load(home)
    except CredentialsUnreadable as error:
        complaints.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    url, secret = admin or (saved and saved.admin_url), key or (saved and saved.admin_key)
    if not url or not secret:
        complaints.print(
            f"no gateway is known: {home} has no keys of `trimtab up`; say --admin URL, and give a key with the role "
            "operator in TRIMTAB_ADMIN_KEY"
        )
        raise typer.Exit(1)
    return url, secret
