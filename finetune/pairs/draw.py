"""Candidates drawn after the fact, for flagged exchanges that hold nothing to compare.

Where a prompt was refused before anything was sampled, or a single answer was sampled, or all candidates
complied, there is no pair. The live policy is then asked again, off line: its answers are screened by the
same guards and scored by the same reward model as in traffic, and none of them is ever delivered.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pydantic import ConfigDict, TypeAdapter

from finetune.errors import DrawFailed, reason
from finetune.exams.contract import Answer, ExamPlan, LoadPolicy, Rewards
from finetune.pairs.dataset import write_whole
from finetune.pairs.groups import sample_of
from finetune.pairs.make import MakeRules, pairs_of
from finetune.pairs.pair import Group, Message, content_text
from finetune.pairs.plain import is_plain
from finetune.progress import Progress
from finetune.rollout.contract import Live
from gateway.amounts import AtLeastZero, Count, Whole
from gateway.exchange import Candidate
from guards.verdict import Context, Screening, Segment
from rewardserve.client import RewardFailed

BATCH = 16  # prompts sampled together
GROUP = TypeAdapter(Group)


@dataclass(frozen=True, slots=True)
class DrawRules:
    """How much is drawn; no prompts means that nothing is."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    prompts: Whole = 64  # at most so many, the latest first
    candidates: Count = 8
    max_tokens: Count = 96
    temperature: AtLeastZero = 1.0
    seed: int = 5


@dataclass(frozen=True, slots=True)
class Drawn:
    """The groups that were drawn, as a file."""

    path: Path
    prompts: int
    candidates: int

    @property
    def told(self) -> str:
        """One line for people."""
        return f"{self.candidates} candidates for {self.prompts} flagged prompts that had nothing to compare"

    def groups(self) -> list[Group]:
        """The groups of the file; none where it is gone, since somebody in it was erased meanwhile."""
        if not self.path.exists():
            return []
        return [GROUP.validate_json(line) for line in self.path.read_bytes().splitlines()]


class Screener(Protocol):
    """The guard policy in force."""

    async def reply(self, segments: Sequence[Segment], context: Context | None = None) -> Screening:
        """What the policy makes of one candidate; `context` holds the prompt's turns."""
        ...


class Labeller(Protocol):
    """Makes of answers what traffic's candidates are."""

    async def labelled(self, groups: Sequence[Group], said: Sequence[Sequence[Answer]]) -> list[Group]:
        """The answers to each group's conversation as its samples: screened and scored; raises DrawFailed."""
        ...


class Drawing(Protocol):
    """Draws candidates after the fact."""

    async def draw(self, groups: Sequence[Group], rules: DrawRules, live: Live) -> Drawn:
        """New candidates for these groups, by the live version; raises DrawFailed."""
        ...


def wanting(
    groups: Sequence[Group], paired: Container[str], rules: MakeRules, most: int, sd: float | None
) -> list[Group]:
    """Flagged groups that gave and give no pair, the latest `most` of them, each prompt once. Pure.

    A conversation that is not plain text is left out: its pairs could not be trained on.
    """
    unpaired = (g for g in reversed(groups) if g.exchange_id not in paired and is_plain(g.messages))
    flagged = (g for g in unpaired if g.prompt_hazard or any(s.withheld for s in g.samples))
    poor = {group.messages_key: group for group in flagged if not pairs_of(group, rules, sd)}
    return list(poor.values())[:most]


@dataclass(frozen=True, slots=True)
class Drawer:
    """Asks the live policy again."""

    load: LoadPolicy
    screener: Screener
    policy: str  # the screener's policy, by its hash
    rewards: Rewards
    folder: Path
    progress: Progress
    erased: Callable[[Collection[str]], Awaitable[Collection[str]]] | None = None  # of exchanges, which are

    async def draw(self, groups: Sequence[Group], rules: DrawRules, live: Live) -> Drawn:
        """New candidates for these groups; cancelling stops between two batches. Raises DrawFailed and PolicyFailed."""
        drawn: list[Group] = []
        if not groups:
            return Drawn(self._kept(drawn), 0, 0)
        try:
            policy = await asyncio.to_thread(self.load, live.adapter)
        except (OSError, ValueError, RuntimeError) as error:
            raise DrawFailed(f"{live.version} cannot be loaded: {reason(error)}") from error
        plan = ExamPlan(None, rules.candidates, rules.max_tokens, rules.temperature, rules.seed)
        for start in range(0, len(groups), BATCH):
            some = groups[start : start + BATCH]
            asked = [group.messages for group in some]
            said = await asyncio.to_thread(policy.sample, asked, plan, rules.seed + start)
            drawn += [replace(group, version=live.version) for group in await self.labelled(some, said)]
            self.progress.advanced(len(drawn), len(groups), "prompts asked again")
        path, drawn = await self._unerased(drawn)
        return Drawn(path, len(drawn), sum(len(group.samples) for group in drawn))

    async def labelled(self, groups: Sequence[Group], said: Sequence[Sequence[Answer]]) -> list[Group]:
        """The answers as groups: screened and scored; raises DrawFailed."""
        asked = [(g.messages, [a.text for a in answers]) for g, answers in zip(groups, said, strict=True)]
        try:
            rewards = await self.rewards.score_many(asked)
        except RewardFailed as error:
            raise DrawFailed(f"drawn candidates cannot be scored: {error}") from error
        found = []
        for group, answers, scores in zip(groups, said, rewards, strict=True):
            context = Context(turns_of(group.messages))
            screened = [await self.screener.reply([Segment(a.text, "reply")], context) for a in answers]
            candidates = map(candidate_of, answers, screened, scores)
            samples = tuple(map(sample_of, candidates))
            found.append(replace(group, samples=samples, policy=self.policy, drawn=True))
        return found

    async def _unerased(self, drawn: list[Group]) -> tuple[Path, list[Group]]:
        """Write the groups down, without those of exchanges that were erased while they were drawn.

        The ledger is asked after the writing: an erasure that comes later finds the file there, to be swept.
        """
        path = self._kept(drawn)
        gone = await self.erased({group.exchange_id for group in drawn}) if self.erased else ()
        if not gone:
            return path, drawn
        path.unlink(missing_ok=True)
        left = [group for group in drawn if group.exchange_id not in gone]
        return self._kept(left), left

    def _kept(self, groups: Sequence[Group]) -> Path:
        """The groups written down, named by their content."""
        data = b"".join(GROUP.dump_json(group) + b"\n" for group in groups)
        path = self.folder / f"{hashlib.sha256(data).hexdigest()}.jsonl"
        write_whole(path, data)
        return path


def candidate_of(answer: Answer, screening: Screening, reward: float) -> Candidate:
    """A drawn answer as traffic's candidates are."""
    message = {"role": "assistant", "content": answer.text}
    finish = "stop" if answer.ended else "length"
    return Candidate(0, answer.text, message, finish, screening=screening, reward=reward)


def turns_of(messages: Sequence[Message]) -> tuple[tuple[str, str], ...]:
    """A conversation as guards see it."""
    return tuple((str(m.get("role", "")), content_text(m.get("content"))) for m in messages)
