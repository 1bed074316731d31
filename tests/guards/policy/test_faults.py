"""Faults quote what a policy's author wrote, at no length and with no control character; none is an error of ours."""

from pathlib import Path

import pytest

from guards.policy.load import read_policy
from guards.verdict import PolicyRefused

HEAD = "name: p\nversion: 1\n"
PLAIN = {
    "id": "a",
    "kind": "patterns",
    "where": "[prompt]",
    "on_error": "open",
    "hazards": "{X.a: {action: flag}}",
    "config": "{patterns: {w: {hazard: X.a, terms: [aa]}}}",
}
CALLS = {"kind": "tool_calls", "where": "[tool_call]", "hazards": "{G.tool_misuse: {action: flag}}"}
FOREIGN = {
    "long": "? " + "k" * 10_000 + "\n",
    "many words": '? "' + "k " * 5_000 + '"\n',
    "control": '"\\e[31m\\u202e\\a\\nname"',
    "surrogate": '"\\ud800"',
    "nul": '"a\\0b"',
}


def guard(**fields: str) -> str:
    return (
        "guards:\n  - "
        + "\n    ".join(f"{key}: {value}" for key, value in {**PLAIN, **fields}.items())
        + "\n"
    )


def documents(word: str) -> dict[str, str]:
    """Policies in which the word stands as a key, and as a value, in every place that a fault may tell of."""
    key, value = word, word.removeprefix("? ").removesuffix("\n")
    entry = f"{key}: 1" if word == value else f"{key} : 1"
    calls = dict(CALLS, config=f"{{allow: {{a: {{checks: [{value}]}}}}}}")
    return {
        "field": f"{HEAD}{entry}\n",
        "twice": f"{HEAD}{entry}\n{entry}\n",
        "hazard": HEAD + guard(hazards=f"{{{entry}}}"),
        "config": HEAD + guard(config=f"{{{entry}}}"),
        "texts": f"{HEAD}refusal: {{texts: {{{entry}}}}}\n",
        "kind": HEAD + guard(kind=value),
        "id": HEAD + guard(id=value),
        "asked": HEAD + guard(unsure=f"{{ask: {value}, from: 0.1, to: 0.2}}"),
        "set": HEAD + guard(config=f"{{sets: [{value}]}}"),
        "file": HEAD + guard(config=f"{{files: [{value}]}}"),
        "model": HEAD
        + guard(kind="classifier", hazards="{G.unsafe: {action: flag}}", config=f"{{model: {value}}}"),
        "extends": f"{HEAD}extends: {value}\n",
        "without": f"{HEAD}extends: default\nwithout: [{value}]\n",
        "without, a mapping": f"{HEAD}extends: default\nwithout: [{{{entry}}}]\n",
        "check": HEAD + guard(**calls),
        "regex": HEAD + guard(config=f"{{patterns: {{w: {{hazard: X.a, regex: '(', near: {value}}}}}}}"),
        "two guards": HEAD
        + "extends: default\n"
        + guard(id=value)
        + guard(id=value).removeprefix("guards:\n"),
    }


@pytest.mark.parametrize("place", documents("x"))
@pytest.mark.parametrize("word", FOREIGN)
def test_a_fault_is_short_and_printable(word: str, place: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyRefused) as refused:
        read_policy(documents(FOREIGN[word])[place], "p.yaml", tmp_path)
    for line in str(refused.value).split("\n"):
        assert line.startswith("p.yaml")
        assert len(line) < 3_000
        assert line.isprintable()


def test_a_name_of_usual_length_is_told_whole(tmp_path: Path) -> None:
    name = "a_field_of_some_length_that_somebody_may_have_meant_for_another_place"
    with pytest.raises(PolicyRefused, match=f"{name}: is no field"):
        read_policy(f"{HEAD}{name}: 1\n", "p.yaml", tmp_path)
