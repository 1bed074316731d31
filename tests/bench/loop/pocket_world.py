"""The pocket world in this process: the real policy, guards, reward model, draws, filters, DPO and exams.

What `trimtab up` starts as servers is called here as functions, for speed: the guards are the default policy's, the
rewards the pocket reward model's, and candidates are drawn by the code that draws after the fact for a retraining.
"""

import asyncio
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from finetune.exams.contract import ExamPlan, Policy
from finetune.exams.exam import ExamRoom
from finetune.exams.plug import Conversations
from finetune.exams.questions import bundled, read_questions
from finetune.pairs.draw import Drawer, Drawn, DrawRules
from finetune.pairs.groups import asks_for_harm
from finetune.pairs.make import MakeRules, make_pairs
from finetune.pairs.pair import Group, Pair
from finetune.pocket.corpus.example import Split
from finetune.pocket.corpus.generate import prompt as asked
from finetune.pocket.reward import reward_model, rewards_of
from finetune.progress import Progress, Silence
from finetune.rollout.contract import Live
from finetune.settings import packaged_policy
from gateway.exchange import Message
from guards.policy.load import load_policy as load_guard_policy
from guards.refusal import RefusalJudge
from guards.screen import Screen
from guards.verdict import Context, Segment

REWARD = Path(__file__).parents[3] / "rewardserve" / "pocket"
Asked = Sequence[tuple[Sequence[Message], Sequence[str]]]
Groups = Sequence[tuple[Group, Pair]]  # each with a pair made of it, whose provenance others may borrow


class PocketRewards:
    """The pocket reward model, in this process."""

    def __init__(self) -> None:
        self._model = reward_model(REWARD)

    async def score_many(self, conversations: Asked) -> list[list[float]]:
        """A reward for each candidate of each conversation."""
        return await asyncio.to_thread(self._scored, conversations)

    def _scored(self, conversations: Asked) -> list[list[float]]:
        return [rewards_of(self._model, plain(messages), list(said)) for messages, said in conversations]


def plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages as the reward model reads them."""
    return [{"role": str(m["role"]), "content": str(m["content"])} for m in messages]


def loaded(adapter: Path | None) -> Policy:
    """The pocket policy, bare or with an adapter."""
    from finetune.train.policy import load_policy

    return load_policy(str(packaged_policy()), adapter, device="cpu")


@dataclass
class World:
    """Everything that a retraining on the pocket world needs, below one folder."""

    folder: Path
    progress: Progress = Silence()  # noqa: RUF009 - it holds nothing

    @cached_property
    def rewards(self) -> PocketRewards:
        """The reward model, loaded once."""
        return PocketRewards()

    @cached_property
    def screen(self) -> Screen:
        """The guards that come by default."""
        return Screen(load_guard_policy(None))

    async def drawn(
        self, prompts: Sequence[Sequence[Message]], adapter: Path | None, rules: DrawRules
    ) -> list[Group]:
        """Candidates for these prompts by a version, screened and scored as traffic's are; kept for the next time."""
        told = json.dumps([[[*p] for p in prompts], str(adapter), repr(rules)], sort_keys=True, default=str)
        kept = self.folder / "groups" / f"{hashlib.sha256(told.encode()).hexdigest()}.path"
        if not kept.exists():
            groups = [await self._group(messages) for messages in prompts]
            drawer = Drawer(
                loaded, self.screen, "default", self.rewards, self.folder / "drawn", self.progress
            )
            drawn = await drawer.draw(groups, rules, Live(adapter.name if adapter else "base", adapter, {}))
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(drawn.path.name)
        return Drawn(self.folder / "drawn" / kept.read_text(), 0, 0).groups()

    async def _group(self, messages: Sequence[Message]) -> Group:
        """An exchange before anything was sampled, with what the guards found in its prompt."""
        turns = tuple((str(m["role"]), str(m["content"])) for m in messages)
        screening = await self.screen.prompt([Segment(turns[-1][1], "prompt")], Context(turns))
        hazard = next(filter(asks_for_harm, screening.hazards), "")
        name = hashlib.sha256(json.dumps([*messages], default=str).encode()).hexdigest()[:24]
        return Group(name, tuple(messages), (), key_id="bench", prompt_hazard=hazard)


def corpus_prompts(count: int, split: Split, seed: Any) -> list[tuple[Message, ...]]:
    """Different prompts of the corpus, by a seed that no other call shares."""
    rng, found = random.Random(f"bench/{seed}"), dict[str, tuple[Message, ...]]()
    while len(found) < count:
        _, messages, _ = asked(split, rng)
        found.setdefault(json.dumps(messages), messages)
    return [*found.values()]


def traffic(number: int, thirds: int = 3, each: int = 200) -> list[tuple[Message, ...]]:
    """What users ask in one round: a third of the hand-written prompts, and prompts of the corpus; each only once."""
    written = [question.messages for question in read_questions(bundled().with_name("loop.jsonl"))]
    drawn = [corpus_prompts(each, s, f"rounds/{number}/{s}") for s in ("train", "validation")]
    return [*written[number % thirds :: thirds], *drawn[0], *drawn[1]]


def diverging(adapter: Path, asked: Conversations, plan: ExamPlan) -> list[list[float]]:
    """How far an adapter leaves the pocket policy."""
    from finetune.train.divergence import divergence

    return divergence(str(packaged_policy()), adapter, asked, plan)


def examining(world: World, folder: Path) -> ExamRoom:
    """Where exams are held."""
    base = str(packaged_policy())
    return ExamRoom(
        loaded, world.rewards, folder / "exams", world.progress, RefusalJudge(), base, 64, diverging
    )


def paired(groups: Sequence[Group], rules: MakeRules) -> tuple[Pair, ...]:
    """The pairs of these groups, measured by how their own rewards vary."""
    within = [[s.reward for s in g.samples if s.reward is not None] for g in groups]
    squares = [(reward - fmean(each)) ** 2 for each in within for reward in each]
    freedom = sum(len(each) - 1 for each in within if each)
    return make_pairs(groups, rules, (sum(squares) / freedom) ** 0.5 if freedom else None).pairs
