"""Constitutional data: what is asked of the policy, which revisions count, and where their pairs come from."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from finetune.errors import ConstitutionInvalid, DataInvalid
from finetune.exams.contract import Answer, ExamPlan
from finetune.pairs.constitution import Constitution, read_constitution
from finetune.pairs.draw import Drawer
from finetune.pairs.kept import keep
from finetune.pairs.pair import Group
from finetune.pairs.revise import Tried, mark_of, read_prompts
from finetune.pairs.revising import Revised, Reviser
from finetune.progress import Silence
from gateway.exchange import Message
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.tables import ExchangeRow
from tests.fakes.exchanges import candidate, exchange
from tests.fakes.guards import word_screen

PRINCIPLES = Constitution(("The answer names no bird.", "The answer is of some use."))
FLAGGED = "A yellow canary."


class Mends:
    """Says one thing at first, and another when it is asked to write it again."""

    def __init__(self, first: str, then: str, *, ends: bool = True) -> None:
        self.first, self.then, self.ends = first, then, ends
        self.asked: list[list[Message]] = []

    def sample(
        self, conversations: Sequence[Sequence[Message]], plan: ExamPlan, seed: int
    ) -> list[list[Answer]]:
        self.asked += [[*talk] for talk in conversations]
        return [[Answer(self._says(len(talk)), ended=self.ends)] for talk in conversations]

    def _says(self, turns: int) -> str:
        return {1: self.first, 3: "It names a bird."}.get(turns, self.then)


class Lengths:
    """Rewards the longer answer."""

    async def score_many(self, asked: Sequence[tuple[Sequence[Message], Sequence[str]]]) -> list[list[float]]:
        return [[float(len(text)) for text in texts] for _, texts in asked]


def group(number: int = 0) -> Group:
    turn = {"role": "user", "content": f"Question {number}?"}
    return Group(f"x{number}", (turn,), (), key_id="k1", subject="somebody")


async def revised(policy: Mends, folder: Path, *groups: Group) -> Revised:
    screen = word_screen()
    drawer = Drawer(lambda _: policy, screen, "policy-hash", Lengths(), folder, Silence())
    (batch,) = [each async for each in Reviser(policy, "v3", drawer, PRINCIPLES).revise(groups or (group(),))]
    return batch


async def test_a_flagged_answer_and_its_revision_are_a_pair(tmp_path: Path) -> None:
    (pair,) = (await revised(Mends(FLAGGED, "A fish."), tmp_path)).pairs
    assert (pair.chosen, pair.rejected, pair.kind) == ("A fish.", FLAGGED, "safety")
    told = pair.provenance
    assert (told.exchange_id, told.key_id, told.subject) == ("x0", "k1", "somebody")
    assert (told.version, told.policy, told.source) == ("v3", "policy-hash", "revision")
    assert told.labelled_by.startswith(f"constitution:{PRINCIPLES.digest}#")
    assert told.labelled_by.endswith("+guard:words")


async def test_a_revision_that_rewards_prefer_says_so(tmp_path: Path) -> None:
    (pair,) = (await revised(Mends("Short.", "A long answer."), tmp_path)).pairs
    assert pair.provenance.labelled_by.endswith("+reward")


async def test_the_policy_is_asked_to_look_at_its_answer_by_one_principle(tmp_path: Path) -> None:
    policy = Mends(FLAGGED, "A fish.")
    await revised(policy, tmp_path)
    _, critique, rewrite = policy.asked
    assert [turn["role"] for turn in rewrite] == ["user", "assistant", "user", "assistant", "user"]
    assert critique[1]["content"] == FLAGGED
    assert sum(each in critique[2]["content"] for each in PRINCIPLES.principles) == 1


@pytest.mark.parametrize(
    ("first", "then", "fate"),
    [
        ("A fish.", FLAGGED, "flagged"),
        ("A fish.", "A fish.", "unchanged"),
        ("A long answer.", "Short.", "no_better"),
        ("Short.", "A long answer.", "kept"),
        (FLAGGED, "Short.", "kept"),
        ("A fish.", "  ", "unfinished"),
    ],
)
async def test_only_what_is_better_counts(first: str, then: str, fate: str, tmp_path: Path) -> None:
    found = await revised(Mends(first, then), tmp_path)
    assert found.fates == {fate: 1}
    assert len(found.pairs) == (fate == "kept")


async def test_a_revision_that_breaks_off_is_none(tmp_path: Path) -> None:
    assert (await revised(Mends(FLAGGED, "A fish and", ends=False), tmp_path)).fates == {"unfinished": 1}


async def test_every_prompt_is_counted_once(tmp_path: Path) -> None:
    policy = Mends(FLAGGED, "A fish.")
    screen = word_screen()
    drawer = Drawer(lambda _: policy, screen, "", Lengths(), tmp_path, Silence())
    reviser = Reviser(policy, "v3", drawer, PRINCIPLES)
    batches = [each async for each in reviser.revise([group(i) for i in range(37)])]
    assert sum(sum(each.fates.values()) for each in batches) == 37
    assert len(batches) > 1


def test_what_was_tried_is_known_whatever_came_of_it(tmp_path: Path) -> None:
    tried = Tried(tmp_path / "revised" / "constitution.txt")
    assert tried.marks() == set()
    tried.add([group(1), group(2)])
    tried.add([group(3)])
    assert tried.marks() == {mark_of(group(number)) for number in (1, 2, 3)}
    assert "Question" not in tried.path.read_text()


async def test_a_revision_of_what_was_erased_meanwhile_is_not_kept(
    database: Database, tmp_path: Path
) -> None:
    await Intake(database).take([exchange("x1", "how do I", candidate(0, "Sure", 1.0))])
    asked = Group("x1", group(1).messages, ())
    found = await revised(Mends(FLAGGED, "A fish."), tmp_path, asked)
    async with database.write() as connection:
        await connection.execute(update(ExchangeRow).values(erased_at=datetime.now(UTC)))
        assert await keep(connection, found.pairs) == 0


def test_the_bundled_constitution_has_principles() -> None:
    assert len(read_constitution(None).principles) >= 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("principles: []", "principles"),
        ("principles: [short]", r"principles\.0"),
        ("rules: [one]", "rules"),
        (": :", "cannot be read"),
    ],
)
def test_a_wrong_constitution_is_refused_by_field(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "constitution.yaml"
    path.write_text(text)
    with pytest.raises(ConstitutionInvalid, match=told):
        read_constitution(path)


def test_prompts_are_questions_or_conversations(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "One?"}\n\n{"messages": [{"role": "user", "content": "Two?"}], "id": "x"}\n')
    assert [each.messages[-1]["content"] for each in read_prompts(path)] == ["One?", "Two?"]


@pytest.mark.parametrize("line", ["{", '{"prompt": 3}', '{"id": "x"}', '{"messages": [{"role": "user"}]}'])
def test_a_wrong_line_is_named_and_not_repeated(line: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(f'{{"prompt": "One?"}}\n{line}\n')
    with pytest.raises(DataInvalid, match="line 2"):
        read_prompts(path)
