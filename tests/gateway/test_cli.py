"""The root of the command line: help that is as wide as the screen."""

import pytest
import typer

from gateway.cli import flowing, reflow


@pytest.mark.parametrize(
    ("paragraph", "shown"),
    [
        ("one line\nand more of it", "one line and more of it"),
        ("  a\n  b", "  a\n  b"),
        ("- a\n- b", "- a\n- b"),
    ],
)
def test_a_paragraph_flows_and_a_list_keeps_its_lines(paragraph: str, shown: str) -> None:
    assert flowing(paragraph) == shown


def test_the_help_of_commands_within_flows_too() -> None:
    app = typer.Typer(help="First.")

    @app.command()
    def inner() -> None:
        """First.

        Second, broken
        by hand.
        """

    app.command("other")(inner)
    group = typer.main.get_command(app)
    reflow(group)
    assert group.commands["inner"].help == "First.\n\nSecond, broken by hand."  # type: ignore[attr-defined]
