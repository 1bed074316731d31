"""How the pocket engine says no. Every error knows its HTTP answer, in vLLM's words.

PocketError
├── BadRequest            400  the body asks for something impossible; names the field
│   └── ContextTooLong    400  prompt and answer do not fit into the model's context
├── UnknownModel          404  no such base model or adapter
├── AdapterRefused        400  the name or the manner of a load or unload
│   ├── AdapterMissing    404  no such adapter, by name or on disk
│   └── AdapterBroken     500  the files are there, and do not fit this model
├── WeightsBroken         500  full weights that cannot be read, or are another model's
├── GenerationFailed      500  the model raised while it was answering this request
├── Overloaded            503  too many requests wait already
└── EngineClosed          503  the engine is stopping, or its worker died
"""


class PocketError(Exception):
    """Something the engine refuses or cannot do; its message is a sentence for the caller."""

    status = 500
    kind = "InternalServerError"
    code: str | int | None = None

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param

    def body(self) -> dict[str, object]:
        """The error in OpenAI's envelope, with vLLM's `type` and numeric `code`."""
        told = {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code or self.status,
        }
        return {"error": told}


class BadRequest(PocketError):
    """The body asks for something impossible."""

    status = 400
    kind = "BadRequestError"


class ContextTooLong(BadRequest):
    """Prompt and answer do not fit into the model's context."""

    code = "context_length_exceeded"

    def __init__(self, context: int, prompt: int, wanted: int) -> None:
        super().__init__(
            f"This model's maximum context length is {context} tokens. However, you requested "
            f"{wanted} output tokens and your prompt contains {prompt} input tokens, for a total of "
            f"{prompt + wanted} tokens. "
            "Please reduce the length of the input prompt or the number of requested output tokens.",
            param="input_tokens",
        )


class UnknownModel(PocketError):
    """No base model and no adapter goes by this name."""

    status = 404
    kind = "NotFoundError"

    def __init__(self, name: str) -> None:
        super().__init__(f"The model `{name}` does not exist.", param="model")


class AdapterRefused(PocketError):
    """A load or an unload that cannot be meant."""

    status = 400
    kind = "InvalidUserInput"


class AdapterMissing(AdapterRefused):
    """No adapter goes by this name, or none lies at this path."""

    status = 404
    kind = "NotFoundError"


class AdapterBroken(AdapterRefused):
    """The adapter's files are there, and do not fit this model."""

    status = 500
    kind = "InternalServerError"


class WeightsBroken(PocketError):
    """Full weights that cannot be read, or are another model's."""


class GenerationFailed(PocketError):
    """The model raised while it was answering."""


class Overloaded(PocketError):
    """Too many requests wait already."""

    status = 503
    kind = "ServiceUnavailableError"


class EngineClosed(PocketError):
    """The engine is stopping, or its worker died."""

    status = 503
    kind = "ServiceUnavailableError"
