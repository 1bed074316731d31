"""A sitting with a policy that says what it is told to."""

from collections.abc import Callable, Sequence
from pathlib import Path

from finetune.exams.contract import Answer, ExamPlan, Question
from finetune.exams.plug import Diverge, Sitting
from finetune.exams.report import Marked
from gateway.exchange import Message

PLAN = ExamPlan(samples=2)


class Says:
    """Answers each conversation by a function of its last words."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.answer = answer

    def sample(
        self, conversations: Sequence[Sequence[Message]], plan: ExamPlan, seed: int
    ) -> list[list[Answer]]:
        said = [self.answer(str(messages[-1]["content"])) for messages in conversations]
        return [[Answer(text, ended=True)] * plan.samples for text in said]


def sitting(
    answer: Callable[[str], str] = lambda text: text,
    *,
    questions: Sequence[Question] = (),
    marked: Sequence[Marked] = (),
    adapter: Path | None = None,
    diverge: Diverge | None = None,
) -> Sitting:
    policy = Says(answer)
    answers = policy.sample([question.messages for question in questions], PLAN, 0)
    return Sitting(adapter, "", 64, policy, questions, answers, marked, None, PLAN, diverge)


def asked(count: int, kind: str) -> list[Question]:
    """Different questions of one kind."""
    return [
        Question(f"{kind}-{i}", ({"role": "user", "content": f"{kind} number {i}?"},), kind)
        for i in range(count)
    ]


def mark(name: str, kind: str, *, complied: bool, reward: float = 0.0) -> Marked:
    """One answer, which declines where it does not comply."""
    return Marked(name, kind, "t", complied, not complied, ended=True, length=9, reward=reward)
