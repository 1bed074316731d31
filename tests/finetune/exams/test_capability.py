"""What a policy can still do."""

import json
from pathlib import Path

from finetune.exams.capability import Capability
from finetune.exams.plug import Findings
from tests.finetune.exams.sitting import sitting


def questions(folder: Path) -> Path:
    rows = [
        {"id": f"q{i}", "prompt": f"What is {i} plus 0?", "expected": str(i), "matcher": "exact"}
        for i in range(80)
    ]
    path = folder / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


async def found(exam: Capability, upto: int) -> Findings:
    def answer(text: str) -> str:
        number = int(text.split()[2])
        return str(number) if number < upto else "no idea"

    return await exam.examine(sitting(answer))


async def test_a_policy_that_knows_as_much_as_before_passes(tmp_path: Path) -> None:
    exam = Capability(questions(tmp_path))
    (condition,) = exam.conditions(await found(exam, 70), await found(exam, 71))
    assert condition.passed, condition.told


async def test_a_policy_that_has_forgotten_is_named(tmp_path: Path) -> None:
    exam = Capability(questions(tmp_path))
    (condition,) = exam.conditions(await found(exam, 70), await found(exam, 40))
    assert (condition.passed, condition.reason) == (False, "capability")


def test_its_questions_may_not_be_trained_on(tmp_path: Path) -> None:
    assert "What is 7 plus 0?" in Capability(questions(tmp_path)).prompts()
