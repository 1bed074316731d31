"""Policies: what is refused at load and how it is said, and what the hash means."""

from pathlib import Path

import pytest

from guards.policy.load import GuardPolicy, load_policy, read_policy
from guards.verdict import PolicyRefused
from tests.fakes.guards import Words

GOOD = """
name: good
version: 1
guards:
  - id: words
    kind: words
    where: [reply]
    on_error: closed
    hazards:
      hte: {action: refuse, threshold: 0.5}
"""


def read(text: str) -> GuardPolicy:
    return read_policy(text, "p.yaml", Path(), {"words": Words()})


def refusal(text: str) -> str:
    with pytest.raises(PolicyRefused) as refused:
        read(text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("on_error: closed", "", "p.yaml:5:5: guards[0].on_error: is required; say closed"),
        ("version: 1", "version: 1\ncolour: red", "p.yaml:4:1: colour: is no field"),
        (
            "on_error: closed",
            "on_error: closed\n    timeout: 3",
            "p.yaml:9:5: guards[0].timeout: is no field",
        ),
        ("kind: words", "kind: oracle", "p.yaml:6:5: guards[0].kind: no kind of guard is called 'oracle'"),
        ("hte:", "hatred:", "unknown hazard"),
        (
            "action: refuse",
            "action: revise",
            "guard 'words' revises, and the policy says by no principles how",
        ),
        ("action: refuse", "action: redact", "guard 'words' cannot redact hte: it yields no spans"),
        ("hte:", "vcr:", "guard 'words' never reports vcr"),
        ("threshold: 0.5", "threshold: 1.5", "p.yaml:10:29: guards[0].hazards.hte.threshold"),
        (
            "where: [reply]",
            "where: [reply]\n    skip_parts: [reasoning]",
            "every part of a reply is screened",
        ),
        ("threshold: 0.5", "threshold: 0.5, reversible: true", "reversible belongs to the action redact"),
        (
            "refuse, threshold: 0.5",
            "redact, reversible: true",
            "reversible is for what is cut out of prompts",
        ),
        ("version: 1", "version: 1\nplaceholder: '[{label}]'", "placeholder: must hold {id} once"),
        ("version: 1", "version: 1\nplaceholder: '<{id}>'", "placeholder: must hold {id} once"),
        ("version: 1", "version: 1\nversion: 2", "p.yaml:4:1: 'version' stands twice"),
        ("name: good", "name: [", "not YAML"),
        ("version: 1", "version: 1\nredaction: '\"{label}\"'", "quote"),
    ],
)
def test_a_fault_is_refused_with_its_place(old: str, new: str, says: str) -> None:
    assert says in refusal(GOOD.replace(old, new))


@pytest.mark.parametrize("code", ["en-XX", "xx", "DE", "deu", ""])
def test_a_refusal_in_no_language_that_can_be_told_is_refused(code: str) -> None:
    text = f"name: p\nversion: 1\nrefusal: {{texts: {{de: Nein., '{code}': No.}}}}\n"
    said = refusal(text)
    assert f"refusal.texts.{code}: is not the ISO 639-1 code, such as de" in said
    assert "\n" not in said


def test_every_fault_is_named_at_once() -> None:
    told = refusal(GOOD.replace("on_error: closed", "").replace("version: 1", "version: none"))
    assert len(told.splitlines()) == 2


def test_redaction_that_needs_more_than_is_held_back_is_refused_naming_guard_and_mode() -> None:
    text = GOOD.replace("hte: {action: refuse", "G.pii: {action: redact") + "stream: {hold_back_chars: 3}\n"
    assert "guard 'words' cannot redact in streamed replies: 6 characters" in refusal(text)


def test_refusal_that_needs_more_than_is_seen_at_once_is_refused() -> None:
    told = refusal(GOOD + "stream: {hold_back_chars: 2, overlap_chars: 3}\n")
    assert "guard 'words' cannot refuse in streamed replies" in told


def test_two_guards_of_one_name_are_refused() -> None:
    assert "two guards are called words" in refusal(GOOD + GOOD.split("guards:\n")[1])


@pytest.mark.parametrize("text", ["", "[]", "42", "just words"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    assert "a policy is a mapping" in refusal(text)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PolicyRefused, match=r"nowhere\.yaml: cannot be read"):
        load_policy(tmp_path / "nowhere.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyRefused, match="not UTF-8"):
        load_policy(tmp_path / "p.yaml")


def test_the_hash_ignores_comments_order_and_defaults_spelled_out() -> None:
    same = GOOD.replace("name: good\nversion: 1", "# a comment\nversion: 1\nname: good\ndeadline_ms: 2000")
    assert read(GOOD).hash == read(same).hash


def test_the_hash_changes_with_a_threshold() -> None:
    assert read(GOOD).hash != read(GOOD.replace("0.5", "0.6")).hash


def test_the_hash_changes_with_what_a_guard_uses_beside_the_document(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "{name: own, version: 1, guards: [{id: own, kind: patterns, where: [prompt], on_error: closed,"
        " hazards: {X.own: {action: flag}}, config: {files: [own.yaml]}}]}"
    )
    hashes = []
    for term in ("heron", "stork"):
        (tmp_path / "own.yaml").write_text(f"{{hazard: X.own, patterns: {{bird: {{terms: [{term}]}}}}}}")
        hashes.append(load_policy(policy).hash)
    assert hashes[0] != hashes[1]


def test_the_bundled_policy_loads_and_fails_closed_where_it_withholds() -> None:
    policy = load_policy()
    assert policy.name == "default"
    for plan in policy.plans:
        said = [response.action for responses in plan.rule.hazards.values() for response in responses]
        strict = {"redact", "refuse"} & set(said)
        assert not strict or plan.rule.on_error == "closed"


@pytest.mark.parametrize(
    ("action", "turns", "reads"),
    [
        ("flag", "", False),
        ("redact", "", True),
        ("flag", "turns: all", True),
        ("redact", "turns: last", False),
    ],
)
def test_what_is_cut_out_is_looked_for_in_every_turn_and_all_else_in_the_last(
    action: str, turns: str, reads: bool
) -> None:
    rule = f"""
name: t
version: 1
guards:
  - id: t
    kind: patterns
    where: [prompt]
    on_error: closed
    {turns}
    hazards: {{G.secret: {{action: {action}}}}}
    config: {{sets: [secrets]}}
"""
    assert read_policy(rule, "t.yaml", Path()).document.guards[0].reads_all_turns is reads
