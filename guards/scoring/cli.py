"""`trimtab guards score`: a policy's guards on anybody's rows, from a file or a pipe."""

import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer
from rich.console import Console

from guards.policy.cli import PolicyFile, ServicesAt, known_services, opened

if TYPE_CHECKING:
    from guards.scoring.scorer import Scored

PIPE_BROKEN = 141  # as a shell has it: 128 and the number of SIGPIPE
complaints = Console(stderr=True, highlight=False)


def score(
    file: Annotated[
        Path | None, typer.Argument(help="JSON lines; standard input when left out, or when -.")
    ] = None,
    policy: PolicyFile = None,
    service: ServicesAt = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes that score side by side.")] = 1,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")
    ] = False,
) -> None:
    """Run a policy's guards on rows of JSON, and print one row for each, in the same order.

    A row is {"id": …, "text": …, "direction": …} or {"id": …, "messages": […]}, whose last message is judged with
    those before it. The direction is prompt (the default), tool_result, reply, tool_call or reasoning; a reply
    may carry the request as "asked", and any row the "tools" that were offered. A row that cannot be read becomes a
    row that says so, and the exit code is 1.
    """
    from guards.scoring.batches import batches
    from guards.scoring.scorer import scored

    opened(
        policy, known_services(service)
    )  # so that a policy's faults are told once, before any process begins
    with ExitStack() as stack:
        source = source_of(file, stack)
        answers = stack.enter_context(scored(batches(source), policy, jobs, service or ()))
        try:
            progress = Progress(sys.stderr.isatty())
            for each in answers:
                write(each, progress, strict=strict)
            progress.end()
        except BrokenPipeError:  # whoever read has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(PIPE_BROKEN) from None
    raise typer.Exit(1 if progress.bad else 0)


def source_of(file: Path | None, stack: ExitStack) -> BinaryIO:
    """Where the rows come from; an exit that says what is wrong where they cannot."""
    if file is None or str(file) == "-":
        # Unbuffered: a thread that still reads when this ends must hold no lock.
        raw: BinaryIO = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        return raw
    try:
        return stack.enter_context(file.open("rb", buffering=0))
    except OSError as error:
        complaints.print(f"{file}: cannot be read: {error.strerror}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


def write(each: "Scored", progress: "Progress", *, strict: bool) -> None:
    """Print a batch's answers; with `strict`, none from the first row on that cannot be read."""
    output = each.output
    if strict and each.bad:
        output = b"".join(output.splitlines(keepends=True)[: each.good_before])
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    progress.show(each)
    if strict and each.bad:
        progress.end()
        complaints.print(each.complaint, markup=False)
        raise typer.Exit(1)


@dataclass(slots=True)
class Progress:
    """How far it is, told on a terminal once a second."""

    shown: bool
    since: float = field(default_factory=time.monotonic)
    told: float = 0.0
    rows: int = 0
    bad: int = 0

    def show(self, each: "Scored") -> None:
        """Count a batch's rows."""
        self.rows += each.rows
        self.bad += len(each.bad)
        if self.shown and time.monotonic() - self.told > 1:
            self.told = time.monotonic()
            sys.stderr.write(f"\r{self.line()}")
            sys.stderr.flush()

    def end(self) -> None:
        """Say how it went."""
        if self.shown:
            sys.stderr.write(f"\r{self.line()}\n")

    def line(self) -> str:
        """The counts and the speed."""
        speed = self.rows / max(1e-9, time.monotonic() - self.since)
        return f"{self.rows:,} rows, {speed:,.0f}/s, {self.bad:,} of them bad "
