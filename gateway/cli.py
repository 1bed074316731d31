"""The `trimtab` command: a root that knows no subcommand by name.

Each package, ours or a third party's, declares a Typer app under the entry point group `trimtab.commands`.
"""

from importlib.metadata import EntryPoint, entry_points
from inspect import cleandoc
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

GROUP = "trimtab.commands"
# The order in which a newcomer needs them; whatever else is installed follows by name.
STORY = (
    "up",
    "demo",
    "keys",
    "policy",
    "guards",
    "gateway",
    "reward",
    "strength",
    "engine",
    "finetune",
    "pocket",
)


class Root(TyperGroup):
    """A group that imports a subcommand's module only when it is asked for or listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every installed subcommand, in the order of the story."""
        names = {found.name for found in entry_points(group=GROUP)}
        return [name for name in STORY if name in names] + sorted(names - set(STORY))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The named subcommand, or None when no package declares it."""
        found = entry_points(group=GROUP, name=cmd_name)
        return load(next(iter(found))) if found else None


def load(entry: EntryPoint) -> Any:
    """The subcommand behind an entry point, or one that says which install is missing."""
    try:
        app: typer.Typer = entry.load()
    except ImportError as error:
        return unavailable(entry.name, error)
    command = typer.main.get_command(app)
    command.name = entry.name
    reflow(command)
    return command


def reflow(command: Any) -> None:
    """Let paragraphs of help be as wide as the screen is; typer keeps the lines of all but the first as written."""
    if command.help:
        command.help = "\n\n".join(map(flowing, cleandoc(command.help).split("\n\n")))
    for each in getattr(command, "commands", {}).values():
        reflow(each)


def flowing(paragraph: str) -> str:
    """A paragraph as one line; what is indented or listed keeps its lines."""
    kept = any(line[:1] in {" ", "-", "\b"} for line in paragraph.splitlines())
    return paragraph if kept else paragraph.replace("\n", " ")


def unavailable(name: str, error: ImportError) -> TyperCommand:
    """A subcommand that explains why it cannot run here."""

    def complain() -> NoReturn:
        typer.echo(f"`trimtab {name}` cannot start: {error}. Try: pip install 'trimtab[pocket]'", err=True)
        raise typer.Exit(1)

    return TyperCommand(name, callback=complain, help=f"(unavailable: {error})")


def main() -> None:
    """Run the command line."""
    root = typer.Typer(
        cls=Root,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_show_locals=False,  # a local may hold a prompt or a key
        help="Trimtab, the inference-time alignment gateway: screen, choose, learn, swap.",
        epilog="Start with `trimtab up`; see the whole loop with `trimtab demo`.",
    )
    root.callback()(lambda: None)
    typer.main.get_command(root)()
