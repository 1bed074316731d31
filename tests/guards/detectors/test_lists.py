"""Pattern lists: what they refuse, and how much of a match a stream must hold back."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from guards.detectors.lists import Pattern, PatternConfig, bundled_set
from guards.detectors.onset import onset_of
from guards.detectors.patterns import PatternGuard, Patterns
from tests.guards.detectors.test_patterns import CARD, JWT, PEM


def refusal(**config: object) -> str:
    with pytest.raises(ValidationError) as refused:
        PatternConfig.model_validate(config)
    return str(refused.value)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "names no pattern"),
        ({"sets": ["secrete"]}, "bundled are contacts, firms, injection, personal, secrets"),
        ({"sets": ["personal"], "without": ["nothing"]}, "`without` names nothing"),
        ({"patterns": {"x": {"hazard": "X.x", "regex": "("}}}, "missing \\)"),
        ({"patterns": {"x": {"hazard": "X.x", "regex": "(?=a)"}}}, "RE2"),
        ({"patterns": {"x": {"hazard": "X.x", "regex": "a*"}}}, "matches the empty text"),
        ({"patterns": {"x": {"hazard": "X.x"}}}, "either a regex or terms"),
        ({"patterns": {"x": {"hazard": "X.x", "regex": "a", "check": "horoscope"}}}, "unknown check"),
        ({"patterns": {"x": {"hazard": "rude", "regex": "a"}}}, "unknown hazard"),
        ({"files": ["/nowhere/list.yaml"]}, "cannot be read"),
    ],
)
def test_a_fault_is_refused(config: dict[str, object], says: str) -> None:
    assert says.replace("\\", "") in refusal(**config).replace("\\", "")


def test_a_list_beside_the_policy_is_found_and_its_hazard_shared(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("{hazard: X.birds, patterns: {bird: {terms: [Grey Heron]}}}")
    config = PatternConfig.model_validate({"files": ["own.yaml"]}, context={"folder": tmp_path})
    spans = Patterns().build("own", config).judge("a grey  heron, no grey heronry").spans
    assert [(span.start, span.end, span.hazard) for span in spans] == [(2, 13, "X.birds")]


def test_a_pattern_of_ones_own_replaces_a_bundled_one() -> None:
    config = PatternConfig.model_validate(
        {"sets": ["personal"], "patterns": {"card number": {"hazard": "G.pii", "regex": "nothing"}}}
    )
    assert PatternGuard("x", config.chosen()).judge(CARD).spans == ()


@pytest.mark.parametrize(
    ("regex", "onset"),
    [
        ("abc", 3),
        (r"\bkey-\w+\b", 5),
        (r"\d{3}-\d{2}-\d{4}", 11),
        ("a.*b", None),
        ("(?:foo|ba+)", None),
        (r"x{2,5}y*", 6),
        (r"\pL+", None),
    ],
)
def test_the_onset_is_read_off_the_expression(regex: str, onset: int | None) -> None:
    assert onset_of(regex) == onset


@pytest.mark.parametrize("name", ["secrets", "personal", "contacts"])
def test_all_that_may_be_redacted_fits_the_default_hold_back(name: str) -> None:
    assert {label for label, one in bundled_set(name).patterns.items() if (one.needed or 999) > 128} == set()


@pytest.mark.parametrize(
    ("name", "label", "match"),
    [
        ("secrets", "private key", PEM),
        ("secrets", "jwt", JWT),
        ("secrets", "bearer header", "Authorization: Bearer abcdef0123456789abcdef0123456789"),
        ("contacts", "email address", f"{'a' * 64}@{'b' * 40}.example.com"),
    ],
)
def test_a_declared_onset_is_true(name: str, label: str, match: str) -> None:
    pattern = bundled_set(name).patterns[label]
    finder = PatternGuard("x", {label: pattern})
    for size in range(pattern.needed or 0, len(match) + 1):
        assert finder.judge(match[:size]).spans, size


def test_terms_match_as_whole_words_only() -> None:
    finder = PatternGuard("x", {"bird": Pattern(hazard="X.b", terms=("ibis", "C++"))})
    assert [span.start for span in finder.judge("ibis ibises C++ C+").spans] == [0, 12]
