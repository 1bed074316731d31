"""The routes that ask: plain ASGI behind the gate, each counted under a name of its own."""

from typing import Any, Protocol

from gateway.api.answering import Answering
from gateway.api.embeddings import Embeddings
from gateway.api.messages.counted import CountTokens
from gateway.api.moderations import Moderations
from gateway.api.responses.remembering import Remembering
from gateway.api.sender import Sender
from gateway.api.served import Served
from gateway.api.surfaces import SURFACES
from gateway.errors import ApiError
from gateway.tools import Tools


class AskingRoute(Protocol):
    """A path that takes POST from whoever may ask."""

    path: str
    route: str  # its name in metrics and logs

    def error(self, error: ApiError) -> dict[str, Any]:
        """An error in this route's shape."""
        ...

    async def __call__(self, scope: Any, receive: Any, sender: Sender, served: Served) -> None:
        """Answer one request; raises ApiError and ClientLeft."""
        ...


def asking_routes(tools: Tools) -> tuple[AskingRoute, ...]:
    """One for each surface of a conversation, and those that hold none."""
    conversations = (Answering(surface, tools) for surface in SURFACES)
    return (*conversations, Remembering(tools), CountTokens(tools), Embeddings(tools), Moderations(tools))
