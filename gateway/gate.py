"""The root of the data plane: nobody comes in without a key, whatever the route, but to the probes."""

import asyncio
from functools import partial
from typing import Any

from gateway.api.leaving import ClientLeft
from gateway.api.routes import asking_routes
from gateway.api.sender import Sender
from gateway.api.served import Served
from gateway.api.surfaces import error_at
from gateway.callers import caller_in
from gateway.errors import ApiError
from gateway.failures import ended
from gateway.tools import Tools


class Gate:
    """An ASGI app before all others; it sees paths as the routers behind it do, so none slips between."""

    def __init__(self, rest: Any, tools: Tools) -> None:
        self._rest = rest
        self._tools = tools
        self._asking = {route.path: route for route in asking_routes(tools)}
        self._open = open_paths(tools)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        asking = self._asking.get(path) if scope["method"] == "POST" else None
        served = Served(asking.route if asking else route_of(path))
        sender = Sender(send, partial(error_at, path))
        try:
            if path not in self._open:
                scope["caller"] = caller = caller_in(scope["headers"], self._tools.keys)
                served.key = caller.id
            if asking is not None:
                await asking(scope, receive, sender, served)
            else:
                await self._rest(scope, receive, sender)
        except ApiError as error:
            served.error = error
            await sender.fail(error)
        except ClientLeft:
            served.left = True
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - told, and what crashed is logged
            served.error = ended(error, served.route)
            await sender.fail_soon(served.error)
        served.status = sender.status
        served.close(self._tools.metrics)


def open_paths(tools: Tools) -> frozenset[str]:
    """Where one needs no key: at the probes."""
    return frozenset({"/health", "/metrics"} if tools.settings.metrics_public else {"/health"})


def route_of(path: str) -> str:
    """What a route is counted as that is not asked for anything but looked at."""
    return "models" if path.startswith("/v1/models") else "other"
