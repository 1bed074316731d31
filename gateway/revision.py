"""Constitutional revision: the policy model criticises its own reply by the policy's principles, and writes it again.

    withheld reply → critique → rewritten reply → screen again, at most as often as the policy says

Source: Bai et al. 2022, Constitutional AI, section 3. The reply that was withheld and what became of it are recorded
as candidates of one exchange: the better and the worse of a pair.
"""

from dataclasses import replace

from gateway.clock import Limit
from gateway.engines.contract import EngineFailed, EngineTimedOut
from gateway.exchange import Candidate, Usage
from gateway.sampling import Json, candidates_in, engine_body, usage_in
from gateway.screening import screened
from gateway.strategies import STRATEGIES
from gateway.strategies.contract import Choice
from gateway.tools import Tools
from gateway.trip import Trip
from guards.policy.document import Revision
from guards.verdict import Action

CRITIQUE = (
    "Look at your last reply again. It must keep these principles:\n{principles}\n"
    "Which of them does it not keep, and what would have to change? Answer in a few sentences."
)
REWRITE = (
    "Now write that reply again so that it keeps all of these principles and still helps as far as it can. "
    "Write nothing but the reply itself."
)
CRITIQUE_TOKENS = 256
# Of a request, what asks for something else than one plain reply.
NOT_ASKED = frozenset(
    {
        "n",
        "stream",
        "stream_options",
        "logprobs",
        "top_logprobs",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
    }
)
OF_A_REPLY = frozenset({"response_format", "stop", "max_tokens", "max_completion_tokens"})


async def revise(trip: Trip, model: str, tools: Tools) -> None:
    """Have every reply mended that the policy wants revised and that is needed; those that cannot be stay withheld."""
    revision = trip.screen.policy.document.revision
    if revision is None or trip.ask.kind != "chat":
        return
    for candidate in to_revise(trip):
        try:
            await rounds(candidate, revision, trip, model, tools)
        except EngineFailed:
            trip.degraded.append("revision: unavailable")
            return


def to_revise(trip: Trip) -> list[Candidate]:
    """Of replies that were withheld to be revised, those that could be delivered: all choices, or the one winner."""
    wanted = [each for each in trip.candidates if each.screening and each.screening.action is Action.REVISE]
    if STRATEGIES[trip.ask.strategy].ranks:
        return [] if any(each.safe for each in trip.candidates) else wanted[:1]
    return [each for each in wanted if each.index < trip.ask.returned]


async def rounds(candidate: Candidate, revision: Revision, trip: Trip, model: str, tools: Tools) -> None:
    """Critique, rewrite and screen until the reply may pass; every attempt is kept as a candidate."""
    latest = candidate
    for _ in range(revision.rounds):
        completion = await rewritten(latest, revision, trip, model, tools)
        (again,) = candidates_in(completion, 1)
        again = replace(again, index=len(trip.candidates), revision_of=candidate.index)
        keep(completion, trip)
        latest = await screened(again, trip)
        trip.candidates = (*trip.candidates, latest)
        if latest.screening is None or latest.screening.action is not Action.REVISE:
            return


async def rewritten(candidate: Candidate, revision: Revision, trip: Trip, model: str, tools: Tools) -> Json:
    """The engine's answer to a critique of the reply and to the wish for a better one; raises EngineFailed."""
    principles = "\n".join(f"- {each}" for each in revision.principles)
    said = [
        *trip.body["messages"],
        {"role": "assistant", "content": candidate.text},
        {"role": "user", "content": CRITIQUE.format(principles=principles)},
    ]
    body = {name: value for name, value in engine_body(trip, model).items() if name not in NOT_ASKED}
    bare = {name: value for name, value in body.items() if name not in OF_A_REPLY}
    critique = await asked({**bare, "messages": said, "max_tokens": CRITIQUE_TOKENS}, trip, tools)
    (found,) = candidates_in(critique, 1)
    trip.usage = total(trip.usage, usage_in(critique))
    said += [{"role": "assistant", "content": found.text}, {"role": "user", "content": REWRITE}]
    return await asked({**body, "messages": said}, trip, tools)


async def asked(body: Json, trip: Trip, tools: Tools) -> Json:
    """One completion, within the request's deadline."""
    with trip.stage("engine"):
        try:
            with Limit(trip.seconds_left):
                return await tools.engine.complete(body, "chat", trip.affinity)
        except TimeoutError:
            raise EngineTimedOut("the engine did not revise a reply within the request's deadline") from None


def keep(completion: Json, trip: Trip) -> None:
    """Note a rewritten reply among the engine's choices, and what all of it has cost."""
    trip.usage = total(trip.usage, usage_in(completion))
    spent = {
        "prompt_tokens": trip.usage.prompt,
        "completion_tokens": trip.usage.completion,
        "total_tokens": trip.usage.total,
    }
    choices = [*trip.completion["choices"], completion["choices"][0]]
    usage = {**(trip.completion.get("usage") or {}), **spent}
    trip.completion = {**trip.completion, "choices": choices, "usage": usage}


def total(one: Usage, other: Usage) -> Usage:
    """Both together."""
    return Usage(one.prompt + other.prompt, one.completion + other.completion)


def revised(choice: Choice, trip: Trip) -> Choice:
    """The choice with every winner that was withheld replaced by what became of it, where that may be delivered."""
    mended = {
        each.revision_of: each.index for each in trip.candidates if each.revision_of is not None and each.safe
    }
    if not mended:
        return choice
    winners = tuple(mended.get(index, index) for index in choice.winners)
    return Choice(winners, f"{choice.why} Revised by the policy's principles.")
