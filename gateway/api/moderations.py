"""POST /v1/moderations: what the guard policy in force makes of texts, in OpenAI's shape.

Each text is screened as a prompt is. A guard that is closed and fails makes the whole request fail (503): what could
not be moderated must not look clean; one that is open leaves its result flagged, and is named in its `failures`.
Nothing is recorded, as with OpenAI: no model was asked, and there is nothing to learn; only failures are counted.
"""

import asyncio
from typing import Any

from gateway.api.answering import let_in, read_json
from gateway.api.leaving import ClientStays
from gateway.api.moderated import result_of, undecided_in
from gateway.api.sender import Sender
from gateway.api.served import Served
from gateway.ask import new_id
from gateway.errors import ApiError, BadRequest, Unavailable, no_such_model
from gateway.screens import Screener
from gateway.tools import Tools
from guards.policy.load import GuardPolicy
from guards.verdict import Screening, Segment

Json = dict[str, Any]
Input = tuple[Segment, ...]
# All are screened at once, and each within the policy's deadline, as the candidates of one request are.
MOST_INPUTS = 32
# What OpenAI's clients ask for; here as there, the answer names who judged.
OPENAIS_NAMES = frozenset(
    {
        "omni-moderation-latest",
        "omni-moderation-2024-09-26",
        "text-moderation-latest",
        "text-moderation-stable",
    }
)


class Moderations:
    """OpenAI's moderations, by our own guards."""

    path = "/v1/moderations"
    route = "moderations"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def error(self, error: ApiError) -> Json:
        """OpenAI's shape."""
        return error.body()

    async def __call__(self, scope: Any, receive: Any, sender: Sender, served: Served) -> None:
        """Answer one request; raises ApiError and ClientLeft."""
        with let_in(scope, self._tools):
            screen = self._tools.screens.of(scope["caller"].terms.policy)
            inputs = await self._inputs(receive, screen.policy)
            visit = self._tools.quotas.visit(scope["caller"])
            try:
                async with visit:
                    told = await self._judged(inputs, screen, receive)
                await sender.whole(200, told, [policy_header(screen.policy), *visit.allowance])
            except ApiError as error:
                served.error = error
                await sender.fail(error, visit.allowance)

    async def _inputs(self, receive: Any, policy: GuardPolicy) -> list[Input]:
        body, limits = await read_json(receive, self._tools.settings), self._tools.settings.limits
        check_model(body.get("model"), name_of(policy))
        return inputs_in(body.get("input"), min(MOST_INPUTS, limits.max_texts))

    async def _judged(self, inputs: list[Input], screen: Screener, receive: Any) -> Json:
        async with ClientStays(receive):
            screenings = await asyncio.gather(*map(screen.prompt, inputs))
        self._check_done(screenings)
        results = [result_of(each, screen.policy) for each in screenings]
        return {"id": f"modr-{new_id()}", "model": name_of(screen.policy), "results": results}

    def _check_done(self, screenings: list[Screening]) -> None:
        for screening in screenings:
            for failure in screening.failures:
                self._tools.metrics.guard_failures.labels(failure.guard).inc()
        if failed := undecided_in(screenings):
            told = f"a guard could not decide, and so there is no moderation: {', '.join(failed)}"
            raise Unavailable(told, code="guard_failed")


def policy_header(policy: GuardPolicy) -> tuple[bytes, bytes]:
    """Who judged, to the letter."""
    return b"x-trimtab-policy", policy.hash.encode()


def name_of(policy: GuardPolicy) -> str:
    """What a guard policy is called as a model: that of its author, and the number of its version."""
    return f"trimtab-{policy.name}-{policy.version}"


def check_model(asked: Any, own: str) -> None:
    """Raise where another model than the guards is asked for."""
    if asked is None:
        return
    if not isinstance(asked, str):
        raise BadRequest("model must be the name of a model", param="model")
    if asked != own and asked not in OPENAIS_NAMES:
        raise no_such_model(asked)


def inputs_in(given: Any, most: int) -> list[Input]:
    """What is to be judged: a text, each of several texts, or the parts of one message; raises BadRequest."""
    if isinstance(given, str):
        return [(Segment(given, "prompt"),)]
    if not isinstance(given, list) or not 1 <= len(given) <= most:
        raise BadRequest(f"input must be a text, or a list of 1 to {most} texts or parts", param="input")
    if all(isinstance(each, str) for each in given):
        return [(Segment(text, "prompt"),) for text in given]
    return [tuple(Segment(text_in(part, number), "prompt") for number, part in enumerate(given))]


def text_in(part: Any, number: int) -> str:
    """A part's text; raises BadRequest for what no guard can read."""
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    if kind != "text":
        told = f"no guard can read a part of type {str(kind)[:40]!r}; send text"
        raise BadRequest(told, param=f"input.{number}", code="unsupported_content")
    if not isinstance(part.get("text"), str):
        raise BadRequest("a text part needs its text", param=f"input.{number}.text")
    return str(part["text"])
