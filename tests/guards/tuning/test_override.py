"""What a policy takes over is written into it where it is to be changed, and means the same there."""

from pathlib import Path

import pytest

from guards.policy.load import GuardPolicy, load_policy
from guards.tuning.edit import EditRefused, Spot, edited
from guards.tuning.override import overridden

BASE = """
name: base
version: 1
guards:
  - id: words
    kind: patterns
    where: [prompt, reply]
    on_error: open
    hazards:
      X.bad: [{action: flag, threshold: 0.2}, {action: refuse}]
      "*": {action: flag, threshold: 0.3}
    config: {patterns: {weak: {hazard: X.bad, terms: [maybe]}, odd: {hazard: X.odd, terms: [odd]}}}
  - id: cut
    kind: patterns
    where: [prompt]
    on_error: open
    hazards: {X.name: {action: redact, threshold: 0.4, reversible: true}}
    config: {patterns: {name: {hazard: X.name, terms: [Heron]}}}
"""
WANTED = [("words", "X.bad"), ("words", "*"), ("cut", "X.name")]
OWNS = {
    "nothing": "name: own\nversion: 1\nextends: base.yaml  # ours\n",
    "no last line break": "name: own\nversion: 1\nextends: base.yaml",
    "flow": "{name: own, version: 1, extends: base.yaml}\n",
    "an end": "name: own\nversion: 1\nextends: base.yaml\n...\n",
    "Windows": "name: own\r\nversion: 1\r\nextends: base.yaml\r\n",
    "another guard": "name: own\nversion: 1\nextends: base.yaml\nguards:\n"
    "- id: cut  # a comment\n  on_error: closed  # and one more\n# the last\nrefusal: {text: No.}\n",
    "guards in brackets": "name: own\nversion: 1\nextends: base.yaml\nguards: [{id: cut, on_error: closed},]\n",
    "no guards": "name: own\nversion: 1\nextends: base.yaml\nguards: []\ndescription: |\n  Long.\n",
    "some hazards": "name: own\nversion: 1\nextends: base.yaml\nguards:\n  - id: words\n    hazards:\n"
    "      X.bad:  # ours\n        action: flag\n        threshold: 0.7\n    where: [prompt]\n",
    "hazards in brackets": "name: own\nversion: 1\nextends: base.yaml\nguards:\n  - id: words\n"
    "    hazards: {X.bad: {action: flag}}\n",
    "a text at the end": "name: own\nversion: 1\nextends: base.yaml\nguards:\n  - id: cut\n    config:\n"
    "      patterns:\n        long: {hazard: X.name, regex: abc}\nrefusal:\n  text: |\n    No.\n",
}


@pytest.fixture(params=OWNS)
def own(request, tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "own.yaml").write_bytes(OWNS[request.param].encode())
    return tmp_path / "own.yaml"


def with_overrides(policy: GuardPolicy) -> str:
    return overridden(policy.text, policy.document.guards, WANTED)


def test_the_policy_decides_the_same(own) -> None:
    policy = load_policy(own)
    own.write_text(with_overrides(policy))
    assert load_policy(own).hash == policy.hash


def test_each_line_that_was_there_is_there(own) -> None:
    text = load_policy(own).text
    made = with_overrides(load_policy(own))
    kept = [line.rstrip("}],") for line in text.splitlines()]
    assert [line for line in kept if not any(line in other for other in made.splitlines())] == []
    assert made.count("#") == text.count("#")


def test_what_is_written_there_can_be_changed(own) -> None:
    policy = load_policy(own)
    made = edited(with_overrides(policy), {Spot("words", "*", 0): 0.45, Spot("cut", "X.name", 0): 0.6})
    own.write_text(made)
    words, cut = load_policy(own).document.guards
    assert words.hazards["*"][0].threshold == 0.45
    assert (cut.hazards["X.name"][0].threshold, cut.hazards["X.name"][0].reversible) == (0.6, True)
    assert words.hazards["X.bad"] == policy.document.guards[0].hazards["X.bad"]


def test_what_is_there_already_stays_as_it_is(own) -> None:
    policy = load_policy(own)
    once = with_overrides(policy)
    assert overridden(once, policy.document.guards, WANTED) == once


def test_what_an_anchor_shares_is_not_written_into(tmp_path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    own = tmp_path / "own.yaml"
    own.write_text(
        "name: own\nversion: 1\nextends: base.yaml\nguards:\n"
        "  - {id: words, hazards: &h {X.bad: {action: flag}}}\n  - {id: cut, hazards: *h}\n"
    )
    policy = load_policy(tmp_path / "base.yaml")
    with pytest.raises(EditRefused, match="cannot be added"):
        overridden(own.read_text(), policy.document.guards, WANTED)
