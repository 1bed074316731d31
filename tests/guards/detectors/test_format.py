"""The format guard: JSON, schemas, expressions, and texts without Markdown."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from guards.detectors.format import Format, FormatConfig
from guards.verdict import Context, Segment, Verdict

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FENCED = '```json\n{"n": 1}\n```'


def judged(text: str, *, whole: bool = True, **config: Any) -> Verdict:
    guard = Format().build("format", FormatConfig.model_validate(config))
    return guard.check_now(Segment(text, "reply", whole=whole), Context())


@pytest.mark.parametrize(
    ("text", "config", "fits"),
    [
        ('{"a": [1, null]}', {"json": True}, True),
        ('{"a": [1, null]', {"json": True}, False),
        ("Sure! {}", {"json": True}, False),
        ("", {"json": True}, False),
        ("NaN", {"json": True}, False),
        (FENCED, {"json": True}, False),
        (FENCED, {"json": True, "fenced": True}, True),
        (FENCED, {"schema": SCHEMA, "fenced": True}, True),
        ('{"n": 1}', {"schema": SCHEMA}, True),
        ('{"n": "1"}', {"schema": SCHEMA}, False),
        ("yes", {"regex": "(?i)yes|no"}, True),
        ("yes, of course", {"regex": "(?i)yes|no"}, False),
        ("\ud800", {"regex": "yes|no"}, False),
        ("Plain words, 2 * 3 * 4 and snake_case_names.", {"without": ["markdown"]}, True),
        ("# Title", {"without": ["markdown"]}, False),
        ("- one\n- two", {"without": ["lists"]}, False),
        ("**bold**", {"without": ["markdown"]}, False),
        ("`code`", {"without": ["code"]}, False),
        ("see https://example.org", {"without": ["links"]}, False),
        ("a | b", {"without": ["tables"]}, True),
        ("| a | b |", {"without": ["tables"]}, False),
        ("1 < 2 > 0", {"without": ["html"]}, True),
        ("<b>bold</b>", {"without": ["html"]}, False),
        ("well done 🎉", {"without": ["emoji"]}, False),
        ("well done", {"without": ["emoji"]}, True),
    ],
)
def test_a_text_has_its_form_or_has_not(text: str, config: dict[str, Any], fits: bool) -> None:
    assert judged(text, **config).scores == ({} if fits else {"X.format": 1.0})


def test_the_operator_names_the_hazard() -> None:
    assert judged("no", json=True, hazard="X.not_json").scores == {"X.not_json": 1.0}


def test_a_piece_of_json_waits_for_its_end() -> None:
    verdict = judged('{"n":', whole=False, json=True)
    assert (verdict.scores, verdict.waits) == ({}, True)


def test_a_piece_need_not_wait_where_the_operator_says_so() -> None:
    verdict = judged('{"n":', whole=False, json=True, hold=False)
    assert (verdict.scores, verdict.waits) == ({}, False)


def test_a_mark_shows_in_a_piece_already() -> None:
    assert judged("so **bold**", whole=False, without=["markdown"]).scores == {"X.format": 1.0}
    assert not judged("so plain", whole=False, without=["markdown"]).waits


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "needs a form"),
        ({"regex": "("}, "RE2"),
        ({"schema": {"type": "nonsense"}}, "no JSON Schema"),
        ({"regex": "x", "fenced": True}, "fenced belongs"),
        ({"without": ["sarcasm"]}, "Input should be"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FormatConfig.model_validate(config)


def test_a_schema_fetches_nothing() -> None:
    with pytest.raises(ValidationError, match="no JSON Schema"):
        FormatConfig.model_validate({"schema": {"$ref": "http://127.0.0.1:9/schema.json"}})


def test_deep_json_is_no_crash() -> None:
    assert judged("[" * 100_000, json=True).scores == {"X.format": 1.0}
    assert json.loads("[[]]") == [[]]
