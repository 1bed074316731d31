"""One scoring request: from words to items, through the batcher, and back; dropped if its caller leaves."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from starlette.requests import Request

from rewardserve.batcher import Batcher
from rewardserve.contract import Conversation, ScoreRequest, ScoreResponse, Turn
from rewardserve.errors import BadInput, UnknownModel
from rewardserve.line import Terms
from rewardserve.reward import Reward
from rewardserve.scorer import Measured, Message, Routed, Scorer

AnswerT = TypeVar("AnswerT")


class ClientLeft(Exception):
    """Whoever asked has hung up."""


class Scoring:
    """A model, the batcher before it, and the thread on which text is rendered and tokenized."""

    def __init__(
        self,
        scorer: Scorer[Measured],
        batcher: Batcher[Measured],
        text_thread: Executor,
        on_rewards: Callable[[Sequence[float]], None],
    ) -> None:
        self._scorer = scorer
        self._batcher = batcher
        self._text_thread = text_thread
        self._on_rewards = on_rewards

    async def answer(self, ask: ScoreRequest) -> ScoreResponse:
        """The reward of every candidate; raises ScoringError."""
        name = self._scorer.card.name
        if ask.model not in (None, name):
            raise UnknownModel(
                f"there is no model {ask.model!r} here; this server has {name!r}", param="model"
            )
        terms = terms_of(ask)  # its time runs from now
        # Before the work of tokenizing, not only after.
        self._batcher.admit(sum(len(conversation.candidates) for conversation in ask.conversations))
        groups = [await self._prepare(*numbered) for numbered in enumerate(ask.conversations)]
        items = [item for group in groups for item in group]
        if isinstance(self._scorer, Routed):
            items = self._scorer.on_route(items, ask.route)
        scored = await self._batcher.score(items, terms)
        self._on_rewards(scored)
        rewards = iter(scored)
        told = [alike(c.candidates, [next(rewards) for _ in c.candidates]) for c in ask.conversations]
        return answer_of(told, name, items)

    async def _prepare(self, number: int, conversation: Conversation) -> list[Measured]:
        loop = asyncio.get_running_loop()
        try:
            messages = messages_of(conversation)
            prepare = partial(self._scorer.prepare, partial=conversation.partial)
            return await loop.run_in_executor(self._text_thread, prepare, messages, conversation.candidates)
        except BadInput as error:
            raise error.within(f"conversations[{number}]") from error


def terms_of(ask: ScoreRequest) -> Terms:
    """Whose turn it is in, and when it is too late."""
    seconds = math.inf if ask.deadline_ms is None else ask.deadline_ms / 1000
    return Terms(ask.tenant, ask.priority, monotonic() + seconds)


def alike(candidates: Sequence[str], rewards: Sequence[float]) -> list[float]:
    """The rewards, equal for equal candidates: in two batches they may differ by the last bit, and break a tie."""
    first: dict[str, float] = {}
    return [
        first.setdefault(candidate, reward) for candidate, reward in zip(candidates, rewards, strict=True)
    ]


def answer_of(rewards: list[list[float]], name: str, items: Sequence[Measured]) -> ScoreResponse:
    """The answer on the wire; parts and doubt only where the model has them."""
    whole = [[one if isinstance(one, Reward) else Reward(one) for one in group] for group in rewards]
    every = [one for group in whole for one in group]
    return ScoreResponse(
        rewards=[[float(one) for one in group] for group in whole],
        heads=[[dict(one.heads) for one in group] for group in whole]
        if any(one.heads for one in every)
        else None,
        spread=[[one.spread for one in group] for group in whole]
        if any(one.spread for one in every)
        else None,
        model=name,
        tokens=sum(item.tokens for item in items),
    )


def messages_of(conversation: Conversation) -> list[Message]:
    """The turns as text; raises BadInput for content that a text model cannot read."""
    return [Message(turn.role, text_of(turn, number)) for number, turn in enumerate(conversation.messages)]


def text_of(turn: Turn, number: int) -> str:
    """A turn's content as one string: text parts are joined, anything else is refused."""
    if isinstance(turn.content, str):
        return turn.content
    return "\n".join(
        part_text(part, f"messages[{number}].content[{i}]") for i, part in enumerate(turn.content or [])
    )


def part_text(part: dict[str, Any], field: str) -> str:
    """The text of one content part."""
    text = part.get("text")
    if part.get("type") != "text" or not isinstance(text, str):
        raise BadInput(
            f'this reward model reads text only: {field} must be {{"type": "text", "text": "…"}}', param=field
        )
    return text


async def unless_gone(request: Request, work: Coroutine[Any, Any, AnswerT]) -> AnswerT:
    """The result of `work`, which is cancelled as soon as the client hangs up (then: ClientLeft)."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(hung_up(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeft
        return await working
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def hung_up(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
