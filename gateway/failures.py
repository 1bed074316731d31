"""What a client is told when the engine fails, or when its text was withheld."""

from gateway.engines.contract import EngineFailed, EngineRefused, EngineTimedOut, EngineUnavailable
from gateway.errors import ApiError, BadRequest, Overloaded, Unavailable, UpstreamFailed, UpstreamTimedOut
from guards.verdict import Screening

# Of an engine's refusals, those that are about the request; the others are about our relation to the engine.
CLIENTS_OWN = frozenset({400, 413, 422})


def told(error: EngineFailed) -> ApiError:
    """The error for the client, with an honest status."""
    if isinstance(error, EngineTimedOut):
        return UpstreamTimedOut(str(error), code="engine_timed_out")
    if isinstance(error, EngineUnavailable):
        return Unavailable(str(error), code="engine_unavailable")
    if isinstance(error, EngineRefused):
        return _passed_on(error)
    return UpstreamFailed(str(error), code="engine_failed")


def _passed_on(error: EngineRefused) -> ApiError:
    if error.status in CLIENTS_OWN:
        too_long = "context length" in error.message
        code = "context_length_exceeded" if too_long else error.code
        return BadRequest(error.message, param=error.param, code=code)
    if error.status == 429:
        return Overloaded(error.message, code="engine_overloaded")
    if error.status == 503:
        return Unavailable("the engine is not ready", code="engine_unavailable")
    return UpstreamFailed(f"the engine answered {error.status}", code="engine_failed")


class Violation(BadRequest):
    """The text was withheld, and the policy answers that with an error."""


def violation(screening: Screening | None) -> Violation:
    """The error in place of a withheld answer, for policies that want one; quotes nothing.

    It names the hazards found, or where it is no finding that withholds, the guards that could not decide.
    """
    if screening is not None and screening.undecided:
        failed = ", ".join(screening.undecided)
        return Violation(f"A guard could not decide, and so withholds this: {failed}.", code="guard_failed")
    hazards = ", ".join(screening.hazards) if screening else ""
    found = f" ({hazards})" if hazards else ""
    return Violation(f"The guard policy withholds this{found}.", code="content_policy_violation")
