"""The other end of the wire: rewards for candidates, over HTTP.

RewardFailed               no rewards; the base of all, and a server that broke or answered wrongly
├── RewardUnavailable      it cannot be reached, is full or is shutting down: try again
├── RewardTimedOut         it did not answer within the deadline
└── RewardRefused          it will never score this: `status`, `param` and the message say why
"""

import math
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

import orjson

from rewardserve.reward import NO_HEADS, Reward

Messages = Sequence[Mapping[str, Any]]
Asked = tuple[Messages, Sequence[str]]  # a conversation and its candidates


class How(TypedDict, total=False):
    """What may be said of a question beside the question."""

    partial: bool  # the candidates are beginnings of answers, to be read without an end of turn
    deadline_seconds: (
        float | None
    )  # the server drops what cannot be served in it; None: the client's own timeout
    tenant: str  # where many wait, tenants take turns
    route: str  # what the rewards are compared with
    priority: int  # lower goes first


class RewardFailed(Exception):
    """There are no rewards."""


class RewardUnavailable(RewardFailed):
    """The server cannot be reached, is full or is shutting down."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class RewardTimedOut(RewardFailed):
    """The server did not answer within the deadline."""


class RewardRefused(RewardFailed):
    """The server will never score this request as it stands."""

    def __init__(self, message: str, *, status: int, param: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param


class RewardClient:
    """One reward server and one connection pool; make it inside a running event loop."""

    def __init__(self, url: str, timeout_seconds: float = 10.0) -> None:
        import aiohttp  # noqa: PLC0415 - only where rewards are asked for

        self._url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), headers={"content-type": "application/json"}
        )

    async def __aenter__(self) -> Self:
        return self

    async def score(self, messages: Messages, candidates: Sequence[str], **how: Unpack[How]) -> list[float]:
        """The raw reward of each candidate as the next assistant turn; raises RewardFailed."""
        rewards = await self.score_many([(messages, candidates)], **how)
        return rewards[0]

    async def score_many(self, conversations: Sequence[Asked], **how: Unpack[How]) -> list[list[float]]:
        """The raw rewards of several conversations' candidates, in one request; raises RewardFailed."""
        return [[float(one) for one in group] for group in await self.rewards_many(conversations, **how)]

    async def rewards(
        self, messages: Messages, candidates: Sequence[str], **how: Unpack[How]
    ) -> list[Reward]:
        """As `score`, with each reward's heads and spread; raises RewardFailed."""
        rewards = await self.rewards_many([(messages, candidates)], **how)
        return rewards[0]

    async def rewards_many(self, conversations: Sequence[Asked], **how: Unpack[How]) -> list[list[Reward]]:
        """As `score_many`, with each reward's heads and spread; raises RewardFailed."""
        seconds = how.get("deadline_seconds") or self._timeout_seconds
        body = body_of(conversations, how, seconds)
        status, headers, answer = await self._ask("POST", "/v1/score", body, seconds)
        if status != 200:
            raise failure_of(status, headers, answer)
        return rewards_of(answer, [len(answers) for _, answers in conversations])

    async def model(self, *, deadline_seconds: float = 10.0) -> str:
        """The name of the model that scores; raises RewardFailed."""
        status, headers, answer = await self._ask("GET", "/v1/model", None, deadline_seconds)
        if status != 200:
            raise failure_of(status, headers, answer)
        try:
            return str(orjson.loads(answer)["name"])
        except (orjson.JSONDecodeError, TypeError, KeyError) as error:
            raise RewardFailed("the reward server's answer names no model") from error

    async def healthy(self, *, deadline_seconds: float = 2.0) -> bool:
        """Whether the server is up and able to score."""
        import aiohttp  # noqa: PLC0415 - only where rewards are asked for

        timeout = aiohttp.ClientTimeout(total=deadline_seconds)
        try:
            async with self._session.get(f"{self._url}/health", timeout=timeout) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None, seconds: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """The border: every foreign error leaves here as one of ours."""
        import aiohttp  # noqa: PLC0415 - only where rewards are asked for

        if self._session.closed:
            raise RewardUnavailable("this client is closed")
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            data = None if body is None else orjson.dumps(body, default=plain)
            url = self._url + path
            async with self._session.request(method, url, data=data, timeout=timeout) as response:
                return response.status, response.headers, await response.read()
        except TimeoutError as error:
            raise RewardTimedOut(f"the reward server did not answer within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise RewardUnavailable(f"the reward server cannot be reached: {type(error).__name__}") from error
        except orjson.JSONEncodeError as error:
            raise RewardRefused(f"the request is no JSON: {error}", status=400, param=None) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def body_of(conversations: Sequence[Asked], how: How, seconds: float) -> dict[str, Any]:
    """The request; what is not said keeps the server's default."""
    partial = how.get("partial", False)
    said: dict[str, Any] = {name: how[name] for name in ("tenant", "route", "priority") if name in how}
    return {
        "conversations": [
            {"messages": turns, "candidates": answers, "partial": partial} for turns, answers in conversations
        ],
        "deadline_ms": max(1, round(seconds * 1000)),
        **said,
    }


def plain(value: Any) -> Any:
    """Tuples and mappings of any kind, as JSON knows them."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def failure_of(status: int, headers: Mapping[str, str], answer: bytes) -> RewardFailed:
    """What a status that is not 200 means to the caller."""
    error = error_of(answer)
    message = f"the reward server answered {status}: {error.get('message') or 'no reason given'}"
    if status in (429, 503):
        after = headers.get("retry-after", "")
        return RewardUnavailable(message, retry_after_seconds=float(after) if after.isdigit() else None)
    if status == 504:
        return RewardTimedOut(message)
    if 400 <= status < 500:
        return RewardRefused(message, status=status, param=error.get("param"))
    return RewardFailed(message)


def error_of(answer: bytes) -> Mapping[str, Any]:
    """The error object of an answer in OpenAI's shape; empty for anything else, such as a proxy's page."""
    try:
        error = orjson.loads(answer)["error"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return {}
    return error if isinstance(error, dict) else {}


def rewards_of(answer: bytes, counts: Sequence[int]) -> list[list[Reward]]:
    """The rewards of an answer, checked to be as many as were asked for and finite."""
    try:
        told = orjson.loads(answer)
        rewards = [[float(reward) for reward in group] for group in told["rewards"]]
        heads = told.get("heads") or [[NO_HEADS] * len(group) for group in rewards]
        spread = told.get("spread") or [[0.0] * len(group) for group in rewards]
        if [len(group) for group in rewards] != list(counts):
            raise RewardFailed(
                "the reward server's answer has another number of rewards than candidates were sent"
            )
        if not all(math.isfinite(reward) for group in rewards for reward in group):
            raise RewardFailed("the reward server's answer holds a reward that is not finite")
        heads = [[{str(name): float(part) for name, part in one.items()} for one in group] for group in heads]
        spread = [[float(one) for one in group] for group in spread]
        parts = [part for group in heads for one in group for part in one.values()]
        if not all(map(math.isfinite, (*parts, *(one for group in spread for one in group)))):
            raise RewardFailed("the reward server's answer holds a part of a reward that is not finite")
        return [
            [Reward(*whole) for whole in zip(*group, strict=True)]
            for group in zip(rewards, heads, spread, strict=True)
        ]
    except (orjson.JSONDecodeError, AttributeError, TypeError, KeyError, ValueError) as error:
        raise RewardFailed("the reward server's answer holds no rewards") from error
