"""What a public surface is: one of the shapes in which applications hold the same conversation.

Behind every surface stands the same journey, that of a chat completion: a surface turns its own request into one,
and what comes of it back into its own shape. It screens nothing, chooses nothing and waits for nobody.
"""

from typing import Any, Protocol

from gateway.engines.contract import Kind
from gateway.errors import ApiError
from gateway.trip import Trip

Json = dict[str, Any]


class Frames(Protocol):
    """One stream on its way out, as server-sent events; fed with chat completion chunks."""

    def feed(self, chunk: Json) -> bytes:
        """The frames that a chunk becomes; nothing where the surface has no word for it."""
        ...

    def end(self) -> bytes:
        """The frames that say that all has been said."""
        ...

    def fail(self, error: ApiError) -> bytes:
        """The frames that say that the rest will not come."""
        ...


class Surface(Protocol):
    """One public shape of a conversation."""

    path: str
    route: str  # its name in metrics and logs
    kind: Kind  # what the engine is asked for

    def read(self, body: Json) -> Json:
        """A request as a chat completion's; raises BadRequest naming the client's own field."""
        ...

    def field(self, param: str | None) -> str | None:
        """What the client called a field of the chat completion's request."""
        ...

    def whole(self, trip: Trip, body: Json) -> Json:
        """A chat completion as this surface's answer."""
        ...

    def frames(self, trip: Trip) -> Frames:
        """A stream of this surface."""
        ...

    def error(self, error: ApiError) -> Json:
        """An error in this surface's shape."""
        ...
