"""Policies that build upon others: what is taken over, what is replaced, and how faults in either are told."""

from pathlib import Path

import pytest

from guards.policy.extends import bundled_names, portable
from guards.policy.load import GuardPolicy, load_policy, read_policy
from guards.verdict import PolicyRefused
from tests.fakes.guards import Words

BASE = """
name: base
version: 7
description: The house's own.
deadline_ms: 900
refusal: {as: error, text: No.}
guards:
  - id: words
    kind: words
    where: [reply]
    on_error: closed
    hazards:
      hte: {action: refuse, threshold: 0.5}
      dfm: {action: flag, threshold: 0.4}
  - id: more
    kind: words
    where: [prompt]
    on_error: open
    hazards: {hte: {action: flag}}
cases:
  - {text: canary, where: reply, expect: refuse}
"""
OWN = "name: own\nversion: 1\nextends: base.yaml\n"
KINDS = {"words": Words()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def read(text: str, folder: Path, *, confined: bool = False) -> GuardPolicy:
    return read_policy(text, str(folder / "own.yaml"), folder, KINDS, confined=confined)


def refusal(text: str, folder: Path, *, confined: bool = False) -> str:
    with pytest.raises(PolicyRefused) as refused:
        read(text, folder, confined=confined)
    return str(refused.value)


def test_what_is_not_said_is_taken_over(folder: Path) -> None:
    policy = read(OWN, folder)
    assert (policy.name, policy.version, policy.document.deadline_ms) == ("own", 1, 900)
    assert [plan.rule.id for plan in policy.plans] == ["words", "more"]


def test_the_description_and_the_cases_of_the_base_speak_of_the_base_alone(folder: Path) -> None:
    document = read(OWN, folder).document
    assert (document.description, document.cases) == ("", ())


def test_a_mapping_is_merged_key_by_key(folder: Path) -> None:
    refusal = read(OWN + "refusal: {text: Sorry.}\n", folder).refusal
    assert (refusal.shape, refusal.text) == ("error", "Sorry.")


def test_a_guard_is_changed_by_its_id_and_keeps_its_place(folder: Path) -> None:
    policy = read(OWN + "guards:\n  - {id: words, hazards: {hte: {threshold: 0.9}}}\n", folder)
    rule = policy.plans[0].rule
    assert rule.hazards["hte"][0].threshold == 0.9
    assert rule.hazards["hte"][0].action == "refuse"
    assert rule.hazards["dfm"][0].threshold == 0.4
    assert rule.on_error == "closed"


def test_a_new_guard_comes_after_those_of_the_base(folder: Path) -> None:
    new = "guards:\n  - {id: new, kind: words, where: [prompt], on_error: open, hazards: {dfm: {action: flag}}}\n"
    assert [plan.rule.id for plan in read(OWN + new, folder).plans] == ["words", "more", "new"]


def test_a_guard_that_is_not_wanted_is_left_out(folder: Path) -> None:
    assert [plan.rule.id for plan in read(OWN + "without: [words]\n", folder).plans] == ["more"]


def test_of_several_bases_the_later_says_more(folder: Path) -> None:
    (folder / "late.yaml").write_text("name: late\nversion: 1\ndeadline_ms: 111\n")
    policy = read(OWN.replace("base.yaml", "[base.yaml, late.yaml]"), folder)
    assert policy.document.deadline_ms == 111
    assert len(policy.plans) == 2


def test_a_base_may_itself_build_upon_another(folder: Path) -> None:
    (folder / "middle.yaml").write_text(OWN.replace("own", "middle") + "deadline_ms: 222\n")
    policy = read(OWN.replace("base.yaml", "middle.yaml"), folder)
    assert (policy.document.deadline_ms, len(policy.plans)) == (222, 2)


def test_the_hash_is_that_of_the_same_policy_written_out(folder: Path) -> None:
    whole = BASE.replace("name: base\nversion: 7", "name: own\nversion: 1")
    assert read(OWN, folder).hash == read(whole, folder).hash


def test_a_fault_in_the_base_is_told_with_the_base_and_its_line(folder: Path) -> None:
    (folder / "base.yaml").write_text(BASE.replace("deadline_ms: 900", "deadline_ms: soon"))
    assert refusal(OWN, folder).startswith("base.yaml:5:1: deadline_ms: must be a whole number")


def test_a_fault_of_its_own_is_told_with_its_own_line(folder: Path) -> None:
    told = refusal(OWN + "guards:\n  - {id: words, hazards: {hte: {threshold: 9}}}\n", folder)
    assert told.startswith(f"{folder}/own.yaml:5:33: guards[0].hazards.hte.threshold: must be at most 1")


@pytest.mark.parametrize(
    ("extends", "says"),
    [
        ("nowhere.yaml", "own.yaml:3:1: extends: there is no file nowhere.yaml beside it"),
        ("nothing", "comes with Trimtab; those are"),
        ("[]", "extends: must be a name or a file"),
        ("{a: b}", "extends: must be a name or a file"),
        ("42", "extends: must be a name or a file"),
        ("own.yaml", "goes round in a circle: own.yaml → own.yaml"),
    ],
)
def test_what_cannot_be_extended_is_told(folder: Path, extends: str, says: str) -> None:
    (folder / "own.yaml").write_text(OWN)
    told = refusal(OWN.replace("base.yaml", extends), folder)
    assert says in told
    assert len(told.splitlines()) == 1


def test_a_circle_of_several_is_told_with_its_way(folder: Path) -> None:
    (folder / "a.yaml").write_text("name: a\nversion: 1\nextends: b.yaml\n")
    (folder / "b.yaml").write_text("name: b\nversion: 1\nextends: a.yaml\n")
    with pytest.raises(PolicyRefused, match=r"circle: a\.yaml → b\.yaml → a\.yaml"):
        load_policy(folder / "a.yaml")


def test_a_guard_to_leave_out_that_is_not_there_is_told(folder: Path) -> None:
    told = refusal(OWN + "without: [wrods]\n", folder)
    assert told.endswith("own.yaml:4:11: without: no guard is called so; there are words, more")


def test_a_policy_that_came_from_outside_extends_nothing_outside_of_its_folder(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    told = refusal(OWN.replace("base.yaml", "../base.yaml"), inner, confined=True)
    assert "../base.yaml is not in the folder of the configured policy" in told


def test_it_may_extend_what_comes_with_trimtab(folder: Path) -> None:
    text = OWN.replace("base.yaml", "default")
    assert read_policy(text, "own.yaml", folder, confined=True).plans


@pytest.mark.parametrize("name", bundled_names())
def test_a_policy_that_comes_with_trimtab_can_be_named_as_if_it_were_a_file(name: str) -> None:
    assert load_policy(name).name == name


def test_aliases_of_aliases_do_not_grow_without_end(folder: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert "do not nest aliases" in refusal("\n".join(lines), folder)


def test_a_guard_that_stands_twice_in_one_file_is_told(folder: Path) -> None:
    twice = "guards:\n  - {id: words, on_error: open}\n  - {id: words, timeout_ms: 5}\n"
    assert refusal(OWN + twice, folder).endswith("own.yaml:5:5: guards: 'words' stands twice; keep one")


LISTED = """
name: listed
version: 1
guards:
  - id: listed
    kind: patterns
    where: [prompt]
    on_error: closed
    hazards: {X.word: {action: refuse}}
    config: {files: [words.yaml]}
"""
WORDS = "patterns: {%s: {hazard: X.word, terms: [%s]}}\n"


def extending_a_folder(folder: Path) -> Path:
    """A policy that extends one in a folder, which extends one in a folder of that."""
    for place, text in (
        ("house", "name: house\nversion: 1\nextends: base/listed.yaml\n"),
        ("house/base", LISTED),
    ):
        (folder / place).mkdir()
        (folder / place / ("listed.yaml" if place.endswith("base") else "house.yaml")).write_text(text)
    (folder / "own.yaml").write_text("name: own\nversion: 1\nextends: house/house.yaml\n")
    return folder / "own.yaml"


def patterns_of(policy: GuardPolicy) -> list[str]:
    return list(policy.plans[0].config.chosen())


def test_files_of_a_base_are_those_beside_it(folder: Path) -> None:
    own = extending_a_folder(folder)
    (folder / "house" / "base" / "words.yaml").write_text(WORDS % ("theirs", "haddock"))
    (folder / "words.yaml").write_text(WORDS % ("ours", "whiting"))
    assert patterns_of(load_policy(own)) == ["theirs"]


def test_files_that_the_extending_policy_names_are_beside_itself(folder: Path) -> None:
    own = extending_a_folder(folder)
    (folder / "house" / "base" / "words.yaml").write_text(WORDS % ("theirs", "haddock"))
    (folder / "words.yaml").write_text(WORDS % ("ours", "whiting"))
    own.write_text(own.read_text() + "guards: [{id: listed, config: {files: [words.yaml]}}]\n")
    assert patterns_of(load_policy(own)) == ["ours"]


def test_a_file_that_is_not_beside_the_base_is_looked_for_beside_the_policy(folder: Path) -> None:
    own = extending_a_folder(folder)
    (folder / "words.yaml").write_text(WORDS % ("ours", "whiting"))
    assert patterns_of(load_policy(own)) == ["ours"]


def test_what_is_sent_elsewhere_names_files_of_a_base_from_the_policy(folder: Path) -> None:
    own = extending_a_folder(folder)
    (folder / "house" / "base" / "words.yaml").write_text(WORDS % ("theirs", "haddock"))
    sent = read_policy(portable(own), "sent", folder, confined=True)
    assert (patterns_of(sent), sent.hash) == (["theirs"], load_policy(own).hash)
