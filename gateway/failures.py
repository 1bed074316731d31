"""What a client is told when the engine fails, when its text was withheld, or when nobody answered at all."""

import asyncio
import logging

from gateway.engines.contract import EngineFailed, EngineRefused, EngineTimedOut, EngineUnavailable, Kind
from gateway.errors import (
    ApiError,
    BadRequest,
    NotFound,
    Overloaded,
    Unavailable,
    UpstreamFailed,
    UpstreamTimedOut,
    stopping,
)
from guards.hazards import UNSCANNED
from guards.verdict import Screening

log = logging.getLogger(__name__)
# Of an engine's refusals, those that are about the request; the others are about our relation to the engine.
CLIENTS_OWN = frozenset({400, 413, 422})
# How engines say that prompt and answer do not fit; the second is vLLM's, of an answer alone.
TOO_LONG = ("context length", "max_model_len")


def told(error: EngineFailed, kind: Kind = "chat") -> ApiError:
    """The error for the client, with an honest status."""
    if isinstance(error, EngineRefused) and error.no_such_model:
        return _unserved(error)
    if kind == "text" and isinstance(error, EngineRefused) and error.no_such_route:
        message = "this model's engine continues no texts; ask /v1/chat/completions"
        return NotFound(message, param="model", code="model_not_found")
    if isinstance(error, EngineTimedOut):
        return UpstreamTimedOut(str(error), code="engine_timed_out")
    if isinstance(error, EngineUnavailable):
        return Unavailable(str(error), code="engine_unavailable")
    if isinstance(error, EngineRefused):
        return _passed_on(error)
    return UpstreamFailed(str(error), code="engine_failed")


def _unserved(error: EngineRefused) -> ApiError:
    """The client's model led to one that no engine knows: the operator's mistake, and not the client's."""
    named = f"the model {error.model!r}" if error.model else "the model"
    message = (
        f"no engine serves {named}, to which this request was led; an engine said: {error.message[:300]}"
    )
    return UpstreamFailed(message, code="model_not_served")


def _passed_on(error: EngineRefused) -> ApiError:
    if error.status in CLIENTS_OWN:
        too_long = any(words in error.message for words in TOO_LONG)
        code = "context_length_exceeded" if too_long else error.code
        return BadRequest(error.message, param=error.param, code=code)
    if error.status in (429, 503):
        return _advised(error)
    return UpstreamFailed(f"the engine answered {error.status}", code="engine_failed")


def _advised(error: EngineRefused) -> ApiError:
    """Too busy or not ready, with the engine's own word on when to try again."""
    told = (
        Overloaded(error.message, code="engine_overloaded")
        if error.status == 429
        else Unavailable("the engine is not ready", code="engine_unavailable")
    )
    told.retry_after_seconds = error.retry_after_seconds or told.retry_after_seconds
    return told


def upstream_status(error: ApiError) -> int | None:
    """The HTTP status that an engine answered with, where that is the cause of an error."""
    return error.__cause__.status if isinstance(error.__cause__, EngineRefused) else None


class Violation(BadRequest):
    """The text was withheld, and the policy answers that with an error."""


def violation(screening: Screening | None) -> Violation:
    """The error in place of a withheld answer, for policies that want one; quotes nothing.

    It names the hazards found, or where it is no finding that withholds, the guards that could not decide.
    """
    if screening is not None and screening.undecided:
        failed = ", ".join(screening.undecided)
        return Violation(f"A guard could not decide, and so withholds this: {failed}.", code="guard_failed")
    found = f" ({reasons(screening)})" if screening is not None and screening.hazards else ""
    return Violation(f"The guard policy withholds this{found}.", code="content_policy_violation")


def kind_of_reason(screening: Screening) -> str:
    """Why a text was withheld, for clients that may not ask what was found: the kind of reason, never a hazard."""
    if screening.undecided:
        return "guard_failed"
    found = [one for one in screening.findings if one.action.withholds]
    unread = [one.part for one in found if one.hazard == UNSCANNED]
    kinds = [f"unscanned: {' '.join(unread)}"] if unread else []
    return ", ".join([*kinds, "hazard"] if len(unread) < len(found) else kinds)


def reasons(screening: Screening) -> str:
    """The hazards found, and of what no guard has read, the kinds."""
    unread = " ".join(one.part for one in screening.findings if one.hazard == UNSCANNED)
    named = {UNSCANNED: f"{UNSCANNED}: {unread}"}
    return ", ".join(named.get(hazard, hazard) for hazard in screening.hazards)


def ended(error: BaseException, route: str) -> ApiError:
    """The error for a request that nobody answered: cancelled by the server as it ends, or crashed, which is logged."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        return stopping()
    log.error("a request crashed", exc_info=error, extra={"fields": {"route": route}})
    return ApiError("an internal error; the operator's log knows more", code="internal_error")
