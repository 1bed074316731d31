"""Exam prompts as files."""

from pathlib import Path

import pytest

from finetune.errors import ExamFailed
from finetune.exams.questions import bundled, read_questions

LINE = '{"id": "a", "messages": [{"role": "user", "content": "secret text"}], "kind": "benign"}'


def test_the_bundled_exam_asks_harmful_and_benign_prompts() -> None:
    kinds = [question.kind for question in read_questions(bundled())]
    assert {"refusable", "benign", "borderline"} <= set(kinds)
    assert kinds.count("refusable") >= 100


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LINE + "\n" + LINE, ":2: the id a is there twice"),
        (LINE + "\n{broken", ":2: line: Invalid JSON"),
        (LINE.replace('"kind": "benign"', '"k": 1'), ":1: kind: is required"),
        (LINE.replace("[{", "[").replace("}]", "]"), ":1: line: Invalid JSON"),
        ("\n", "holds no prompts"),
    ],
)
def test_a_bad_file_is_refused_by_line_and_without_its_text(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "exam.jsonl"
    path.write_text(text)
    with pytest.raises(ExamFailed) as failed:
        read_questions(path)
    assert says in str(failed.value)
    assert "secret" not in str(failed.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExamFailed, match=r"nowhere\.jsonl"):
        read_questions(tmp_path / "nowhere.jsonl")


def test_the_prompts_in_the_documentation_are_as_a_file_has_them(tmp_path: Path) -> None:
    told = (Path(__file__).parents[3] / "docs" / "gate.md").read_text()
    lines = [line for line in told.splitlines() if line.startswith('{"id": ') and '"messages"' in line]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    asked = read_questions(tmp_path / "mine.jsonl")
    assert [each.kind for each in asked] == ["refusable", "benign", "borderline"]
