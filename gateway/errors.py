"""The errors a client may see, in OpenAI's shape, each with an honest status.

ApiError                    status, type, code, param, message
├── BadRequest        400   what was asked cannot be honoured; `param` names the field
├── Unauthenticated   401   no key, or one that is not known
├── Forbidden         403   the key may not do this
├── NotFound          404   no such model, version, exchange …
├── TooSlow           408   the request did not arrive in time
├── Conflict          409   it exists already, or another run is under way
├── TooLarge          413   the body is larger than the gateway takes
├── HeadTooLarge      431   the path and the headers are
├── Overloaded        429   try again later
├── UpstreamFailed    502   the engine answered wrongly or broke
├── Unavailable       503   the engine, or what must not be skipped, is away
└── UpstreamTimedOut  504   the engine did not answer in time
"""

from typing import Any, ClassVar


class ApiError(Exception):
    """An answer that is an error; `status` is the HTTP status."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_seconds: float = 1.0,  # told where waiting helps
        retry: bool = True,  # whether asking again as it stands may help, as official clients do unless told
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_seconds = retry_after_seconds
        self.retry = retry

    def body(self) -> dict[str, Any]:
        """The error in OpenAI's JSON shape."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


class BadRequest(ApiError):
    """What was asked cannot be honoured."""

    status = 400
    type = "invalid_request_error"


class Unauthenticated(ApiError):
    """No key, or one that is not known."""

    status = 401
    type = "invalid_request_error"


class Forbidden(ApiError):
    """The key may not do this."""

    status = 403
    type = "invalid_request_error"


class NotFound(ApiError):
    """There is no such thing."""

    status = 404
    type = "invalid_request_error"


def no_such_model(name: str) -> NotFound:
    """The error for a model that nobody here may ask for."""
    return NotFound(f"there is no model {name[:200]!r}", param="model", code="model_not_found")


class TooSlow(ApiError):
    """The request did not arrive in time."""

    status = 408
    type = "invalid_request_error"


class Conflict(ApiError):
    """It exists already, or another run is under way."""

    status = 409
    type = "invalid_request_error"


class TooLarge(ApiError):
    """The body is larger than the gateway takes."""

    status = 413
    type = "invalid_request_error"


class HeadTooLarge(ApiError):
    """The path and the headers are larger than the gateway takes."""

    status = 431
    type = "invalid_request_error"


class Overloaded(ApiError):
    """Too much at once; try again later."""

    status = 429
    type = "rate_limit_error"


class UpstreamFailed(ApiError):
    """The engine answered wrongly or broke."""

    status = 502
    type = "upstream_error"


class Unavailable(ApiError):
    """What must not be skipped is away."""

    status = 503
    type = "service_unavailable"


class UpstreamTimedOut(ApiError):
    """The engine did not answer in time."""

    status = 504
    type = "timeout"


def stopping() -> Unavailable:
    """The error for whoever cannot be answered because this gateway ends."""
    return Unavailable("this gateway is stopping; ask another one, or this one again", code="stopping")
