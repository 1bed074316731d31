"""What the documentation promises exists: routes, commands, files."""

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute
from typer.testing import CliRunner

from gateway.admin.app import ROUTERS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "deploy").glob("*.md")])


class Anything:
    """Stands for tools that are never used: routers are only listed here."""

    def __getattr__(self, name: str) -> Any:
        return self


def admin_paths() -> set[str]:
    routes = [route for router in ROUTERS for route in router(Anything()).routes]  # type: ignore[arg-type]
    return {route.path for route in routes if isinstance(route, APIRoute)}


def test_every_admin_route_is_in_the_readme() -> None:
    assert len(admin_paths()) > 10
    told = README.replace("`…/retire`", "`/admin/versions/{version}/retire`")
    assert not [path for path in admin_paths() if path not in told and path != "/metrics"]


def test_every_command_is_in_the_readme() -> None:
    names = {found.name for found in entry_points(group="trimtab.commands") if found.dist is not None}
    assert not [name for name in names if not re.search(rf"`(trimtab )?{name}", README)]


def test_no_command_offers_to_install_shell_completion() -> None:
    for found in entry_points(group="trimtab.commands"):
        said = CliRunner().invoke(found.load(), ["--help"]).output
        assert "Usage" in said
        assert "-completion" not in said, found.name


def test_every_linked_file_exists() -> None:
    for document in DOCUMENTS:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = re.compile(r"(?:^|`)make ([a-z-]+)", re.MULTILINE)
    named = {name for document in DOCUMENTS for name in called.findall(document.read_text())}
    assert named
    assert named <= targets
