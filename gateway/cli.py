"""The `trimtab` command: a root that knows no subcommand by name.

Each package, ours or a third party's, declares a Typer app under the entry point group `trimtab.commands`.
"""

from importlib.metadata import EntryPoint, entry_points

import click
import typer

GROUP = "trimtab.commands"
# The order in which a newcomer needs them; whatever else is installed follows by name.
STORY = ("up", "demo", "keys", "guards", "gateway", "reward", "engine", "finetune", "pocket")


class Root(typer.core.TyperGroup):
    """A group that loads a subcommand's module only when it is asked for or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = {found.name for found in entry_points(group=GROUP)}
        return [name for name in STORY if name in names] + sorted(names - set(STORY))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = entry_points(group=GROUP, name=cmd_name)
        return load(next(iter(found))) if found else None


def load(entry: EntryPoint) -> click.Command:
    """The subcommand behind an entry point, or one that says which install is missing."""
    try:
        app: typer.Typer = entry.load()
    except ImportError as error:
        return _unavailable(entry.name, error)
    command = typer.main.get_command(app)
    command.name = entry.name
    return command


def _unavailable(name: str, error: ImportError) -> click.Command:
    reason = f"`trimtab {name}` cannot start: {error}. Try: pip install 'trimtab[pocket]'"

    def complain() -> None:
        raise click.ClickException(reason)

    return click.Command(name, callback=complain, help=f"(unavailable: {error})")


def main() -> None:
    """Run the command line."""
    root = typer.Typer(
        cls=Root,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_show_locals=False,
        help="Trimtab, the inference-time alignment gateway: screen, choose, learn, swap.",
        epilog="Start with `trimtab up`; see the whole loop with `trimtab demo`.",
    )
    root.callback()(lambda: None)
    typer.main.get_command(root)()
