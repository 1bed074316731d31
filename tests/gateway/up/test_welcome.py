"""What is printed to be pasted can be pasted, however narrow the terminal."""

import ast
import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from gateway.settings import load_settings
from gateway.up.credentials import Credentials
from gateway.up.welcome import command, welcome

CREDENTIALS = Credentials(
    "http://127.0.0.1:8080/v1", "sk-tt-" + "k" * 43, "http://127.0.0.1:8081", "sk-tt-" + "a" * 43
)

ENGINE = "http://user:secret@127.0.0.1:8082/v1"


@pytest.fixture
def shown() -> str:
    out = io.StringIO()
    welcome(Console(file=out, width=40), CREDENTIALS, load_settings(engines=[{"url": ENGINE}]))
    return out.getvalue()


def test_the_curl_line_is_one_command_with_the_whole_key(shown):
    command = shown[shown.index("curl -s") : shown.index("from openai")]
    words = shlex.split(command)
    assert words[0] == "curl"
    assert f"Authorization: Bearer {CREDENTIALS.api_key}" in words


def test_the_python_snippet_is_a_program_with_the_whole_key(shown):
    program = shown[shown.index("from openai") : shown.index("ctrl-C")]
    ast.parse(program)
    assert CREDENTIALS.api_key in program


def test_the_engine_is_named_without_its_password(shown):
    assert "http://127.0.0.1:8082/v1" in shown
    assert "secret" not in shown


def test_commands_stand_on_lines_of_their_own_without_the_home_that_is_usual():
    out = io.StringIO()
    settings = load_settings(home=str(Path(".trimtab").absolute()), engines=[{"url": ENGINE}])
    welcome(Console(file=out, width=40), CREDENTIALS, settings)
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert f"{command()} keys create NAME" in lines
    assert f"{command()} finetune run" in lines


def test_another_home_is_said_where_commands_need_it():
    out = io.StringIO()
    settings = load_settings(home="/srv/my home", engines=[{"url": ENGINE}])
    welcome(Console(file=out, width=200), CREDENTIALS, settings)
    assert "finetune run --home '/srv/my home'" in out.getvalue()
