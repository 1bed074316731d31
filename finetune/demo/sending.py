"""Prompts sent through the gateway by the official client, and what came back of each."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from openai import AsyncOpenAI

from finetune.exams.contract import Question
from rewardserve.client import RewardClient

AT_ONCE = 4  # requests in flight; the engine batches them
MAX_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Sent:
    """One exchange as its client saw it."""

    question: Question
    exchange: str
    text: str
    refused: bool
    hazards: tuple[str, ...]
    flagged: bool
    reward: float  # of what was delivered, refusals too


@dataclass(frozen=True, slots=True)
class Sender:
    """Asks an alias; rewards are asked of the reward server about what was delivered."""

    client: AsyncOpenAI
    rewards: RewardClient
    alias: str

    async def send(self, questions: Sequence[Question], n: int, sent: Callable[[], None]) -> list[Sent]:
        """Ask each question with n candidates; raises openai's errors."""
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(question: Question) -> Sent:
            async with turn:
                answer = await self._ask(question, n)
            sent()
            return answer

        return list(await asyncio.gather(*map(one, questions)))

    async def _ask(self, question: Question, n: int) -> Sent:
        alignment = {"strategy": "best_of_n" if n > 1 else "single", "n": n, "explain": True}
        answer = await self.client.chat.completions.create(
            model=self.alias,
            messages=list(question.messages),  # type: ignore[arg-type] # any messages of OpenAI's shape
            max_tokens=MAX_TOKENS,
            temperature=1.0,
            extra_body={"alignment": alignment},
        )
        choice = answer.choices[0]
        told: dict[str, Any] = (answer.model_extra or {})["alignment"]
        text = choice.message.content or ""
        reward = (await self.rewards.score(list(question.messages), [text]))[0]
        refused = choice.finish_reason == "content_filter"
        return Sent(question, told["exchange"], text, refused, hazards_in(told), flagged_in(told), reward)


def screenings_in(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The prompt's and every candidate's verdicts, where there are any."""
    found = [told["prompt"], *(candidate["verdicts"] for candidate in told["candidates"])]
    return [screening for screening in found if screening]


def hazards_in(told: dict[str, Any]) -> tuple[str, ...]:
    """Every hazard found, once."""
    found = (finding["hazard"] for screening in screenings_in(told) for finding in screening["findings"])
    return tuple(dict.fromkeys(found))


def flagged_in(told: dict[str, Any]) -> bool:
    """Whether a guard found something or could not decide."""
    return any(screening["findings"] or screening["failures"] for screening in screenings_in(told))
