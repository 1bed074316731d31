"""Constitutional data: the policy answers, criticises its answer by a principle, and writes it again.

    prompt → answer → critique → revision → guards and rewards → revision ≻ answer

Source: Bai et al. 2022, Constitutional AI (arXiv 2212.08073), section 3.1; the words are those by which a gateway
revises replies in traffic. A revision counts only where guards pass it and it is surely no worse than what it mends.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from finetune.exams.asking import BATCH
from finetune.exams.contract import Answer, ExamPlan, Policy
from finetune.pairs.constitution import Constitution
from finetune.pairs.draw import Labeller
from finetune.pairs.pair import Group, Kind, Message, Pair, Provenance, Sample
from gateway.revision import CRITIQUE, CRITIQUE_TOKENS, REWRITE


@dataclass(frozen=True, slots=True)
class Revised:
    """What became of some prompts: the pairs, and how many revisions were of no use, by why."""

    pairs: tuple[Pair, ...]
    fates: Counter[str]


@dataclass(frozen=True, slots=True)
class Reviser:
    """Makes pairs of prompts; `version` is the policy's."""

    policy: Policy
    version: str
    labeller: Labeller
    constitution: Constitution
    max_tokens: int = 256
    temperature: float = 1.0
    seed: int = 7

    async def revise(self, groups: Sequence[Group]) -> AsyncIterator[Revised]:
        """Batch after batch, each whole; raises PolicyFailed, and DrawFailed when nothing can score."""
        for start in range(0, len(groups), BATCH):
            yield await self._batch(groups[start : start + BATCH], self.seed + start)

    async def _batch(self, groups: Sequence[Group], seed: int) -> Revised:
        rng = random.Random(seed)
        drawn = [rng.randrange(len(self.constitution.principles)) for _ in groups]
        talks = [[*group.messages] for group in groups]
        answers = await self._said(talks, seed, self.max_tokens)
        told = [CRITIQUE.format(principles=f"- {self.constitution.principles[each]}") for each in drawn]
        talks = [turned(*each) for each in zip(talks, answers, told, strict=True)]
        critiques = await self._said(talks, seed + 1, CRITIQUE_TOKENS)
        talks = [turned(talk, said, REWRITE) for talk, said in zip(talks, critiques, strict=True)]
        revisions = await self._said(talks, seed + 2, self.max_tokens)
        both = [[*each] for each in zip(answers, revisions, strict=True)]
        labelled = await self.labeller.labelled(groups, both)
        return self._judged(labelled, both, drawn)

    async def _said(self, talks: Sequence[Sequence[Message]], seed: int, tokens: int) -> list[Answer]:
        """One answer to each conversation."""
        plan = ExamPlan(None, 1, tokens, self.temperature, seed)
        said = await asyncio.to_thread(self.policy.sample, talks, plan, seed)
        return [answers[0] for answers in said]

    def _judged(
        self, groups: Sequence[Group], both: Sequence[Sequence[Answer]], drawn: Sequence[int]
    ) -> Revised:
        """The pairs among them."""
        fates, pairs = Counter[str](), []
        for group, (_, revision), principle in zip(groups, both, drawn, strict=True):
            before, after = group.samples
            fate = fate_of(before, after, revision)
            fates[fate] += 1
            if fate == "kept":
                pairs.append(self._pair(group, before, after, principle))
        return Revised(tuple(pairs), fates)

    def _pair(self, group: Group, before: Sample, after: Sample, principle: int) -> Pair:
        """With the exchange it came of, if any: an erasure finds it by that, and so does a key that opts out."""
        kind: Kind = "safety" if before.withheld or group.prompt_hazard else "helpfulness"
        provenance = Provenance(
            exchange_id=group.exchange_id,
            key_id=group.key_id,
            version=self.version,
            policy=group.policy,
            labelled_by=f"constitution:{self.constitution.digest}#{principle + 1}+{decider_of(before)}",
            hazard=before.hazard or group.prompt_hazard,
            reward_chosen=after.reward,
            reward_rejected=before.reward,
            subject=group.subject,
            drawn=True,
            source="revision",
        )
        return Pair(group.messages, after.text, before.text, kind, provenance)


def turned(talk: Sequence[Message], said: Answer, asked: str) -> list[Message]:
    """The conversation one turn further: what was said, and what is asked next."""
    return [*talk, {"role": "assistant", "content": said.text}, {"role": "user", "content": asked}]


def decider_of(before: Sample) -> str:
    """On whose word a revision counts as the better one: the guard that withheld its answer, or else the rewards."""
    return f"guard:{before.guard}" if before.withheld else "reward"


def fate_of(before: Sample, after: Sample, revision: Answer) -> str:
    """Whether a revision mends its answer; else why it does not."""
    if after.withheld or not after.checked:
        return "flagged"
    if not revision.ended or not after.text.strip():
        return "unfinished"
    if after.text.strip() == before.text.strip():
        return "unchanged"
    if before.withheld:
        return "kept"
    better = before.reward is not None and after.reward is not None and after.reward > before.reward
    return "kept" if better else "no_better"
