"""What the gate looks at, brought together."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from finetune.exams.contract import Examined, ExamPlan
from finetune.exams.findings import write_findings
from finetune.exams.lineage import Standing
from finetune.exams.marks import write_marks
from finetune.exams.plug import Findings
from finetune.exams.report import report_of
from finetune.pairs.dataset import Dataset, freeze
from finetune.pairs.pair import Pair, Provenance
from finetune.plan import Plan
from finetune.rollout.gate import Decision
from finetune.rollout.judging import Case, judge
from finetune.train.contract import Logged, Trained, TrainingHealth
from tests.fakes.retraining import Calls, FakeExaminer, marks

PLAN = Plan(exam=ExamPlan(exams={"forgetting": {"most": 0.1}}))
HEALTH = TrainingHealth(finite=True, margin=1.0, accuracy=0.9, chosen_drift=1.0)
RANKER = "http://127.0.0.1:9"
LOG = tuple(Logged(step, 0.6, 0.1, 0.8, -30.0, -31.0, 0.1) for step in range(1, 40))
TRAINED = Trained(Path("a"), "d", 1.0, 40, "cpu", HEALTH, (), LOG)


class Court:
    """An examiner that asks these prompts, and a ledger that knows every dataset."""

    def __init__(self, folder: Path, *prompts: str) -> None:
        self.examiner = FakeExaminer(Calls(), folder, asked=prompts)
        self.registrar = self
        self.rankers = (RANKER,)

    async def standing(self, sha256: str, pairs: Sequence[str]) -> Standing:
        return Standing(registered=True)


def examined(folder: Path, unsafe: float, reward: float, **found: Findings) -> Examined:
    told = marks(unsafe, reward)
    findings = write_findings(found, folder) if found else None
    return Examined(write_marks(told, folder), report_of(told), "judge", "reward", 1.0, findings)


def nats(each: float) -> Findings:
    return Findings({"nats": {f"p{i}": [each, each * i / 40] for i in range(40)}})


def frozen(folder: Path, labeller: str = "guard:classifier") -> Dataset:
    source = Provenance("e", "k", "v0", "p", labeller, "vcr", 1.0, -1.0)
    asked = ({"role": "user", "content": "How do I bake bread?"},)
    return freeze([Pair(asked, "With flour.", "No.", "safety", source)], folder, {})


async def decided(folder: Path, after: Examined, trained: Trained = TRAINED, *prompts: str) -> Decision:
    before = examined(folder, 0.6, 0.0, forgetting=nats(0.0))
    return await judge(Case(before, after, trained, frozen(folder)), PLAN, Court(folder, *prompts))


async def test_a_version_that_passes_everything_is_promoted(tmp_path: Path) -> None:
    decision = await decided(tmp_path, examined(tmp_path, 0.1, 1.0, forgetting=nats(0.05)))
    assert decision.promoted, decision.failed


async def test_a_further_exam_can_refuse_it(tmp_path: Path) -> None:
    decision = await decided(tmp_path, examined(tmp_path, 0.1, 1.0, forgetting=nats(0.9)))
    assert decision.reasons == ("forgetting",)


async def test_a_further_exam_that_was_not_held_refuses_it(tmp_path: Path) -> None:
    decision = await decided(tmp_path, examined(tmp_path, 0.1, 1.0))
    assert decision.reasons == ("forgetting.not_held",)


async def test_the_reward_server_that_ranked_pairs_is_no_independent_judge(tmp_path: Path) -> None:
    judge_of = ExamPlan(exams={"wins": {"judge": "http://ada:secret@localhost:9/"}})
    exam = examined(tmp_path, 0.1, 1.0)
    case = Case(exam, exam, TRAINED, frozen(tmp_path, "reward"))
    decision = await judge(case, Plan(exam=judge_of), Court(tmp_path))
    assert "judge.labelled" in decision.reasons
    assert "secret" not in " ".join(decision.failed)


async def test_data_that_asks_what_the_exam_asks_refuses_it(tmp_path: Path) -> None:
    after = examined(tmp_path, 0.1, 1.0, forgetting=nats(0.05))
    decision = await decided(tmp_path, after, TRAINED, "How do I bake bread?")
    assert decision.reasons == ("data.contaminated",)


async def test_what_engines_would_refuse_is_all_that_is_told(tmp_path: Path) -> None:
    broken = Findings(faults={"nan": "a weight is not a finite number"})
    after = replace(examined(tmp_path, 0.1, 1.0, servability=broken))
    decision = await decided(tmp_path, after)
    assert decision.reasons == ("servability.nan",)


async def test_pairs_that_are_learnt_at_once_refuse_it(tmp_path: Path) -> None:
    perfect = replace(TRAINED, log=tuple(replace(line, accuracy=1.0) for line in LOG))
    after = examined(tmp_path, 0.1, 1.0, forgetting=nats(0.05))
    assert (await decided(tmp_path, after, perfect)).reasons == ("health.too_easy",)
