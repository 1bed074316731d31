"""The root of the data plane: nobody comes in without a key, whatever the route, but to the probes."""

import logging
from typing import Any

from gateway.api.chat import Chat
from gateway.api.leaving import ClientLeft
from gateway.api.sender import Sender
from gateway.api.served import Served
from gateway.callers import caller_in
from gateway.errors import ApiError
from gateway.tools import Tools

CHAT = "/v1/chat/completions"
log = logging.getLogger(__name__)


class Gate:
    """An ASGI app before all others; it sees paths as the routers behind it do, so none slips between."""

    def __init__(self, rest: Any, tools: Tools) -> None:
        self._rest = rest
        self._tools = tools
        self._chat = Chat(tools)
        self._open = {"/health", "/metrics"} if tools.settings.metrics_public else {"/health"}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        chat = path == CHAT and scope["method"] == "POST"
        served = Served("chat" if chat else "models" if path.startswith("/v1/models") else "other")
        sender = Sender(send)
        try:
            if path not in self._open:
                scope["caller"] = caller = caller_in(scope["headers"], self._tools.keys)
                served.key = caller.id
            if chat:
                await self._chat(scope, receive, sender, served)
            else:
                await self._rest(scope, receive, sender)
        except ApiError as error:
            served.error = error
            await sender.fail(error)
        except ClientLeft:
            served.left = True
        except Exception:
            log.exception("a request crashed", extra={"fields": {"route": served.route}})
            served.error = ApiError("an internal error; the operator's log knows more", code="internal_error")
            await sender.fail(served.error)
        served.status = sender.status
        served.close(self._tools.metrics)
