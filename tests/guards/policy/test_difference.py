"""In what two policies differ: in effect, place by place."""

from pathlib import Path

from guards.policy.difference import Difference, differences
from guards.policy.load import GuardPolicy, load_policy, read_policy
from tests.fakes.opinions import opinions

POLICY = """
name: one
version: 1
guards:
  - id: first
    kind: told
    where: [prompt]
    on_error: closed
    hazards: {hte: {action: flag, threshold: 0.3}}
"""


def read(text: str) -> GuardPolicy:
    return read_policy(text, "p", Path(), opinions())


def test_a_policy_does_not_differ_from_itself() -> None:
    assert differences(read(POLICY), read("# a comment\n" + POLICY)) == []


def test_a_changed_value_is_told_with_its_place() -> None:
    assert differences(read(POLICY), read(POLICY.replace("on_error: closed", "on_error: open"))) == [
        Difference("guards.first.on_error", "closed", "open")
    ]


def test_a_guard_that_is_gone_or_new_is_told_whole() -> None:
    (gone, new) = differences(read(POLICY), read(POLICY.replace("id: first", "id: second")))
    assert (gone.place, gone.after) == ("guards.first", None)
    assert (new.place, new.before) == ("guards.second", None)


def test_what_a_policy_extends_counts_and_not_that_it_does() -> None:
    own = "name: default\nversion: 1\nextends: default\n"
    told = {one.place for one in differences(load_policy(), read_policy(own, "p", Path()))}
    assert told == set()


def test_lists_and_weights_that_changed_are_told(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "{name: own, version: 1, guards: [{id: own, kind: patterns, where: [prompt], on_error: closed,"
        " hazards: {X.own: {action: flag}}, config: {files: [own.yaml]}}]}"
    )
    found = []
    for term in ("heron", "stork"):
        (tmp_path / "own.yaml").write_text(f"{{hazard: X.own, patterns: {{bird: {{terms: [{term}]}}}}}}")
        found.append(load_policy(policy))
    assert [one.place for one in differences(*found)] == ["guards.own (lists or weights)"]
