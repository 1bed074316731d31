"""`trimtab policy backtest`: what a draft would have done to recorded traffic, before it is put in force."""

import asyncio
import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guards.policy.cli import AsJson, complaints, out

if TYPE_CHECKING:
    from gateway.backtest.policies import Written
    from gateway.backtest.tally import Tally
    from gateway.backtest.work import Job
    from gateway.ledger.database import Database

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be compared, and on what."""

    draft: str
    file: Path | None
    ledger: str | None
    against: str | None
    config: Path | None
    since: datetime | None
    keep: int


Draft = Annotated[str, typer.Argument(help="The draft policy: a file, or a bundled one by its name.")]
Rows = Annotated[
    Path | None, typer.Argument(help="Rows instead of a ledger: texts, or what `guards score` printed.")
]
LedgerUrl = Annotated[
    str | None, typer.Option(help="sqlite:///… or postgresql://…; by default the gateway's.")
]
Against = Annotated[
    str | None,
    typer.Option(
        help="recorded: what was done at the time (the default for a ledger); current: the policy in force; "
        "or a file, a bundled policy, a number, name or hash of `trimtab policy list`."
    ),
]
Since = Annotated[str | None, typer.Option(help="Only exchanges of the last 12h, 7d …")]
Jobs = Annotated[int | None, typer.Option(min=1, max=256, help="Processes; one for each core if left out.")]
OnRay = Annotated[bool, typer.Option("--ray", help="Count on Ray, with --jobs actors.")]
Samples = Annotated[int, typer.Option(min=0, max=1000, help="To be shown of each kind of change.")]
ShowTexts = Annotated[
    bool, typer.Option("--show-texts", help="Show what users wrote in the samples, as the ledger has it.")
]
Config = Annotated[Path | None, typer.Option(help="A trimtab.yaml; the environment is read as well.")]


def backtest(  # noqa: PLR0913, PLR0917 - an option each
    draft: Draft,
    file: Rows = None,
    ledger: LedgerUrl = None,
    against: Against = None,
    since: Since = None,
    jobs: Jobs = None,
    ray: OnRay = False,
    samples: Samples = 5,
    show_texts: ShowTexts = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say what a draft policy would have done to recorded exchanges, and how that differs.

    Stored scores decide wherever they can; guards are asked only where a guard is new, has changed, or never saw the
    text. Nothing is written.
    """
    if file is not None and ledger is not None:
        raise typer.BadParameter("give a file of rows or --ledger, not both", param_hint="--ledger")
    asked = Asked(draft, file, ledger, against, config, moment(since), samples)
    started = time.monotonic()
    report = reported(asked, jobs or os.cpu_count() or 1, on_ray=ray, show_texts=show_texts)
    report["seconds"] = round(time.monotonic() - started, 2)
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
    else:
        from gateway.backtest.told import show

        show(report, out)
        complain(report)
    raise typer.Exit(1 if report["unreadable_rows"] else 0)


def reported(asked: Asked, jobs: int, *, on_ray: bool, show_texts: bool) -> Json:
    """The report; an exit that says what is wrong where there can be none."""
    from gateway.backtest.on_ray import RayMissing
    from gateway.backtest.told import told
    from gateway.ledger.contract import LedgerFailed
    from gateway.settings import SettingsInvalid
    from guards.verdict import PolicyRefused

    try:
        job, names = asyncio.run(prepared(asked))
        tally = counted(job, asked, jobs, on_ray=on_ray)
        texts = asyncio.run(texts_for(job, tally)) if show_texts else None
        return told(tally, names, texts)
    except (PolicyRefused, LedgerFailed, SettingsInvalid, RayMissing, OSError, ValueError) as error:
        complaints.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


async def prepared(asked: Asked) -> tuple["Job", Json]:
    """The job, its policies read, and what the report says of them."""
    from gateway.backtest.policies import CURRENT, RECORDED, from_file
    from gateway.backtest.work import Job
    from gateway.ledger.database import Database
    from gateway.settings import load_settings

    settings = load_settings(asked.config)
    url = None if asked.file is not None else asked.ledger or settings.ledger_url
    database = None if url is None else Database(url)
    try:
        if database is not None and database.missing:
            raise ValueError(f"there is no ledger at {database.name}")
        against = asked.against or (CURRENT if asked.file else RECORDED)
        after = from_file(asked.draft)
        configured = settings.guards.policy
        before = None if against == RECORDED else await compared_with(against, configured, database)
    finally:
        if database is not None:
            await database.close()
    said = {"said": "what was done at the time"} if before is None else named(before)
    return Job(after, before, url, asked.since, asked.keep), {"draft": named(after), "against": said}


async def compared_with(against: str, configured: Path | None, database: "Database | None") -> "Written":
    """The policy that a draft is compared with; raises PolicyRefused."""
    from gateway.backtest.policies import CURRENT, from_file, in_force, kept_policy
    from guards.policy.load import policy_file

    if against == CURRENT:
        return await in_force(configured, database)
    if database is not None and not policy_file(against).is_file():
        return await kept_policy(against, configured, database)
    return from_file(against)


def named(written: "Written") -> Json:
    """A policy by its name, version and hash; raises PolicyRefused."""
    policy = written.read()
    said = f"{policy.name} version {policy.version} ({policy.hash[:12]})"
    return {"name": policy.name, "version": policy.version, "hash": policy.hash, "said": said}


def counted(job: "Job", asked: Asked, jobs: int, *, on_ray: bool) -> "Tally":
    """The count over the file or the ledger."""
    from gateway.backtest.on_ray import count_on_ray
    from gateway.backtest.run import count, pieces_of
    from gateway.ledger.database import Database
    from guards.scoring.batches import batches

    async def planned() -> list[Any]:
        database = Database(job.url or "")
        try:
            return await pieces_of(database, job.since)
        finally:
            await database.close()

    with ExitStack() as stack:
        if asked.file is not None:
            pieces: Any = batches(stack.enter_context(asked.file.open("rb", buffering=0)))
        else:
            pieces = asyncio.run(planned())
            jobs = min(jobs, max(1, len(pieces)))
        if on_ray:
            return count_on_ray(job, pieces, jobs)
        return count(job, pieces, jobs, progress() if sys.stderr.isatty() else lambda _: None)


def progress() -> Any:
    """Tells on a terminal, now and then, how far the count is."""
    told_at = [0.0]

    def told(tally: "Tally") -> None:
        if time.monotonic() - told_at[0] > 1:
            told_at[0] = time.monotonic()
            sys.stderr.write(f"\r{tally.exchanges:,} exchanges, {tally.changed:,} would end otherwise ")
            sys.stderr.flush()

    return told


async def texts_for(job: "Job", tally: "Tally") -> dict[str, str]:
    """What users wrote last in the exchanges that are samples; empty for a file, whose reader has it."""
    from gateway.backtest.texts import texts_of
    from gateway.ledger.database import Database

    if job.url is None:
        return {}
    ids = [one.exchange for samples in tally.samples.values() for one in samples]
    database = Database(job.url)
    try:
        async with database.read() as connection:
            found = await texts_of(connection, ids)
    finally:
        await database.close()
    return {one: texts.context.request for one, texts in found.items()}


def complain(report: Json) -> None:
    """Say what rows could not be read."""
    if report["unreadable_rows"]:
        more = f"{report['unreadable_rows']:,} rows could not be read, the first: {report['complaint']}"
        complaints.print(more, markup=False, soft_wrap=True)


def moment(since: str | None) -> datetime | None:
    """The moment so long ago."""
    from gateway.tenants.terms import TermsInvalid
    from gateway.tenants.typed import span_of

    if since is None:
        return None
    try:
        return datetime.now(UTC) - span_of(since)
    except TermsInvalid as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error
