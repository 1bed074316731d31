"""What can go wrong while scoring, each with an honest status, told in OpenAI's error shape.

ScoringError                  status, type, code, param, message
├── BadInput            400   what was asked cannot be scored; `param` names the field
│   └── TooLong         400   more tokens than the model reads; nothing is ever cut silently
├── AdminRefused        401   the admin key is missing or wrong, or this server has none
├── UnknownModel        404   this server has another model
├── ReloadBusy          409   another reload is under way
├── TooLarge            413   the body, or the number of candidates
├── ReloadRefused       422   the model that was to be loaded cannot be used; the old one stays
├── ScoringFailed       500   the model raised, or gave no finite reward
├── DeadlineMissed      504   it could not be served within the request's `deadline_ms`
└── TryAgain                  not now; `retry_after_seconds`
    ├── EngineAway      503   the engine behind this server cannot be reached, or is full
    ├── EngineTimedOut  504   it did not answer in time
    ├── Overloaded      429   the queue is full
    └── BatcherClosed   503   shutting down, or the batcher has died

ModelUnusable                 at start only: it cannot be loaded, or is no reward model
"""

from typing import Any, ClassVar, Self


class ScoringError(Exception):
    """An answer that is an error; `status` is the HTTP status."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str | None] = None

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param

    def body(self) -> dict[str, Any]:
        """The error in OpenAI's JSON shape."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class BadInput(ScoringError):
    """What was asked cannot be scored."""

    status = 400
    type = "invalid_request_error"

    def within(self, field: str) -> Self:
        """The same error, its `param` seen from the field that contains it."""
        return type(self)(self.message, param=f"{field}.{self.param}" if self.param else field)


class TooLong(BadInput):
    """More tokens than the model reads."""

    code = "context_length_exceeded"


class AdminRefused(ScoringError):
    """The admin key is missing or wrong, or this server has none."""

    status = 401
    type = "invalid_request_error"
    code = "admin_key"


class UnknownModel(ScoringError):
    """This server has another model."""

    status = 404
    type = "invalid_request_error"
    code = "model_not_found"


class ReloadBusy(ScoringError):
    """Another reload is under way."""

    status = 409
    type = "invalid_request_error"
    code = "reload_under_way"


class ReloadRefused(ScoringError):
    """The model that was to be loaded cannot be used; the old one stays."""

    status = 422
    type = "invalid_request_error"
    code = "model_unusable"


class TooLarge(ScoringError):
    """The body, or the number of candidates, is over what this server takes at once."""

    status = 413
    type = "invalid_request_error"
    code = "request_too_large"


class ScoringFailed(ScoringError):
    """The model raised, or gave no finite reward."""

    code = "scoring_failed"


class DeadlineMissed(ScoringError):
    """It could not be served within the request's deadline; what had not begun has cost nothing."""

    status = 504
    type = "timeout_error"
    code = "deadline"


class TryAgain(ScoringError):
    """Not now."""

    retry_after_seconds: ClassVar[int] = 1


class EngineAway(TryAgain):
    """The engine behind this server cannot be reached, or is full."""

    status = 503
    type = "service_unavailable"
    code = "engine_unavailable"


class EngineTimedOut(TryAgain):
    """The engine behind this server did not answer in time."""

    status = 504
    type = "service_unavailable"
    code = "engine_timed_out"


class Overloaded(TryAgain):
    """The queue is full."""

    status = 429
    type = "rate_limit_error"
    code = "queue_full"


class BatcherClosed(TryAgain):
    """Shutting down, or the batcher has died."""

    status = 503
    type = "service_unavailable"
    code = "batcher_closed"


class ModelUnusable(Exception):
    """The model cannot be loaded, or is no reward model; the message says what to do."""
