"""Other people's clients take the same steps through the gateway, those of `steps.json`, and hear the same.

OpenAI's and Anthropic's for Python are installed with the tests; `.ci/conformance` installs the others, without which
their tests skip.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.engine import Script
from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import REFUSED

HERE = Path(__file__).parent
HOME = Path(os.environ.get("TRIMTAB_TEST_CONFORMANCE", ""))
Json = dict[str, Any]
STEPS: list[Json] = json.loads((HERE / "steps.json").read_text())
NAMES = [step["name"] for step in STEPS]
THEIRS = str(HOME / "venv/bin/python")
COMMANDS = {
    "openai": (sys.executable, HERE / "client_openai.py"),
    "anthropic": (sys.executable, HERE / "client_anthropic.py"),
    "openai-node": ("node", HOME / "client.mjs"),
    "langchain-openai": (THEIRS, HERE / "client_langchain.py"),
    "litellm": (THEIRS, HERE / "client_litellm.py"),
}
ANY = ""
OURS = ("openai", "anthropic")
RESPONSES = {step["name"] for step in STEPS if step["kind"] == "response"}
# The steps that a client has no notion of. Any other that it does not take fails.
SKIPPED = {
    "openai": {"a count of tokens"},
    "anthropic": {"log probabilities", "two choices", "seed", "vectors", *RESPONSES},
    "openai-node": {"a count of tokens"},
    "langchain-openai": {"reasoning", "reasoning, streamed", "models", "a count of tokens"},
    "litellm": {"models", "a count of tokens"},
}
# What a client tells nothing of, in any step or in one.
UNTOLD: dict[tuple[str, str], set[str]] = {
    ("anthropic", ANY): {"logprobs"},
    ("langchain-openai", ANY): {"reasoning"},
    ("litellm", "no such model"): {"code", "param"},
    ("litellm", "a stranger's key"): {"code", "param"},
}
# LiteLLM would otherwise look for the newest prices on the network.
ENVIRONMENT = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
SILENT = {"content": "", "reasoning": "", "calls": [], "logprobs": [], "finish_reason": "stop"}
SPENT = [7, 5, 12]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running_gateway() as running:
        running.engine.scripts |= {step["name"]: script_of(step.get("engine", {})) for step in STEPS}
        yield running


def script_of(engine: Json) -> Script:
    """What the engine says in a step."""
    raw = json.dumps(engine["answer"]).encode() if "answer" in engine else None
    return Script(raw=raw, **{name: value for name, value in engine.items() if name != "answer"})


def at_hand(name: str) -> Any:
    """A client; those of `.ci/conformance` only where they are."""
    missing = pytest.mark.skipif(not (HOME / "installed").is_file(), reason="needs .ci/conformance")
    return pytest.param(name, marks=() if name in OURS else (pytest.mark.slow, missing))


def walked(name: str, gateway: Running) -> dict[str, Json]:
    """What a client printed of each step, in the order of the steps."""
    gateway.reset()
    program, script = COMMANDS[name]
    command = [program, str(script), gateway.server.url, "application", str(HERE / "steps.json")]
    asked = command if name == "openai-node" else command[:-1]
    done = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["step"] for line in lines] == NAMES
    return {line.pop("step"): line for line in lines}


@pytest.mark.parametrize("name", [at_hand(name) for name in COMMANDS])
def test_a_client_takes_every_step_that_it_knows(name: str, gateway: Running) -> None:
    found = walked(name, gateway)
    skipped = {step for step, said in found.items() if "skipped" in said}
    assert skipped == SKIPPED[name]
    assert all(found[step]["skipped"] for step in skipped)
    for step in STEPS:
        if step["name"] not in skipped:
            check_told(step, found[step["name"]]["told"], untold(name, step))
            check_reached(step, gateway)


def untold(name: str, step: Json) -> set[str]:
    return UNTOLD.get((name, ANY), set()) | UNTOLD.get((name, step["name"]), set())


def check_told(step: Json, told: Json, untold: set[str]) -> None:
    """Assert that a client heard what it must of a step."""
    if "within" in step:
        check_within(step["within"], told)
    expected = {field: value for field, value in step["told"].items() if field not in untold}
    if "choices" in expected:
        left_out = untold | ({"content"} if "within" in step else set())
        known = {field: value for field, value in SILENT.items() if field not in left_out}
        expected["choices"] = [
            {field: value for field, value in {**known, **choice}.items() if field not in untold}
            for choice in expected["choices"]
        ]
        expected |= {} if "within" in step else {"usage": expected.get("usage", SPENT)}
    assert told == expected, step["name"]


def check_within(text: str, told: Json) -> None:
    """Assert that a client heard a beginning of a text, and what was spent on it; how long depends on time."""
    said = told["choices"][0].pop("content")
    assert said
    assert text.startswith(said)
    assert REFUSED not in said
    prompt, completion, total = told.pop("usage")
    assert prompt + completion == total


def check_reached(step: Json, gateway: Running) -> None:
    """Assert that the engine was asked with what the client sent."""
    asked = [each.body for each in gateway.engine.requests if first_words(each.body) == step["name"]]
    sent = {
        "messages": [{"role": "user", "content": step["name"]}, *step.get("then", ())],
        **step.get("ask", {}),
    }
    if step["kind"] == "stream" or step.get("stream"):
        assert asked[-1].get("stream"), step["name"]
    for field in step.get("reaches", ()):
        assert read(asked[-1][field]) == read(sent[field]), step["name"]


def read(value: Any) -> Any:
    """A value whose calls have their arguments read: some clients write them anew."""
    if isinstance(value, list):
        return [read(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: json.loads(each) if name == "arguments" else read(each) for name, each in value.items()}


def first_words(body: Json) -> Any:
    return body["messages"][0]["content"] if "messages" in body else None


def test_every_step_that_a_client_skips_is_one() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert set().union(*SKIPPED.values()) <= set(NAMES)
    assert COMMANDS.keys() == SKIPPED.keys()


@pytest.mark.parametrize("step", NAMES)
def test_every_step_is_taken_by_somebody(step: str) -> None:
    assert any(step not in skipped for skipped in SKIPPED.values())
