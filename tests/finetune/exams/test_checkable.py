"""Files of checkable questions."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.errors import ExamFailed
from finetune.exams.checkable import bundled_facts, read_checkable
from finetune.pocket.checks import fact_lines

GOOD = {"id": "a", "prompt": "What is 1 + 1?", "expected": "2", "matcher": "number"}


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_prompt_is_a_user_turn(tmp_path: Path) -> None:
    (question,) = read_checkable(written(tmp_path, GOOD))
    assert question.messages == ({"role": "user", "content": "What is 1 + 1?"},)
    assert question.right("It is 2.")


def test_two_forms_of_one_question_have_one_topic(tmp_path: Path) -> None:
    questions = read_checkable(written(tmp_path, GOOD | {"id": "a#1"}, GOOD | {"id": "a#2"}))
    assert {question.topic for question in questions} == {"a"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"matcher": "magic"}, "matcher"),
        ({"prompt": None}, "prompt or messages"),
        ({"expected": []}, "expected"),
        ({"expected": "18 apples"}, r"expected: must be a number, such as 18 for the matcher number"),
        ({"expected": ["18", "nan"]}, r"expected: must be a number"),
        ({"expected": "(", "matcher": "pattern"}, r"expected: must be a regular expression"),
        ({"expected": "ten", "matcher": "words_at_most"}, r"expected: must be a whole number"),
        ({"expected": "-3", "matcher": "words_at_least"}, r"expected: must be a whole number"),
        ({"expected": "(b)", "matcher": "choice"}, r"expected: must be one capital letter"),
        ({"expected": "?!", "matcher": "contains"}, r"expected: must hold words"),
        ({"expected": "", "matcher": "lacks"}, r"expected: must not be empty"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ExamFailed, match=rf"questions.jsonl:2.*{says}"):
        read_checkable(written(tmp_path, GOOD, GOOD | {"id": "b"} | change))


def test_an_id_is_there_once(tmp_path: Path) -> None:
    with pytest.raises(ExamFailed, match="twice"):
        read_checkable(written(tmp_path, GOOD, GOOD))


def test_an_empty_file_is_no_exam(tmp_path: Path) -> None:
    with pytest.raises(ExamFailed, match="no questions"):
        read_checkable(written(tmp_path))


def test_the_bundled_facts_are_those_of_the_corpus() -> None:
    assert bundled_facts().read_text() == fact_lines()
    assert len({question.topic for question in read_checkable(bundled_facts())}) == 78
