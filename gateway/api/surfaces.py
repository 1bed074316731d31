"""The surfaces that applications may use, each a file or a package beside this one."""

from typing import Any

from gateway.api.chat import Chat
from gateway.api.completions import Completions
from gateway.api.messages.surface import Messages
from gateway.api.surface import Surface
from gateway.errors import ApiError

SURFACES: tuple[Surface, ...] = (Chat(), Completions(), Messages())


def error_at(path: str, error: ApiError) -> dict[str, Any]:
    """An error as clients of a path know errors: those of the surface above it; in OpenAI's shape elsewhere."""
    above = (each for each in SURFACES if f"{path}/".startswith(f"{each.path}/"))
    surface = next(above, None)
    return surface.error(error) if surface else error.body()
