"""A real uvicorn in a thread, on a free port: what an app's own tests must talk to."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import uvicorn

App = Any  # an ASGI application
Opening = Callable[[], AbstractAsyncContextManager[App]]
Making = Callable[[App], uvicorn.Server]


class Serving:
    """One app, served until `stop`; `opening` runs on the server's own loop, and closes there."""

    def __init__(self, opening: Opening, server_of: Making | None = None) -> None:
        self._opening = opening
        self._server_of = server_of or plain_server
        self._listener = socket.create_server(("127.0.0.1", 0))
        # asyncio does it for sockets that were made for TCP by name, which these are not: answers came 40 ms late.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._started = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait(30)
        if self._failed:
            raise self._failed

    def stop(self) -> None:
        """Stop serving, as SIGTERM would."""
        self._server.should_exit = True
        self._thread.join(30)
        self._listener.close()

    @property
    def connections(self) -> set[Any]:
        """Those that clients have to it now."""
        return self._server.server_state.connections

    def call(self, work: Callable[[], Any]) -> Any:
        """Run something on the server's own loop, and wait for what it gives."""

        async def there() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(there(), self.loop).result(10)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - delivered to whoever waits for the start
            self._failed = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        async with self._opening() as app:
            self._server = self._server_of(app)
            self.loop.call_later(0.001, self._tell)
            await self._server.serve(sockets=[self._listener])

    def _tell(self) -> None:
        self._started.set() if self._server.started else self.loop.call_later(0.001, self._tell)


def plain_server(app: App) -> uvicorn.Server:
    """uvicorn as it comes."""
    config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=2)
    return uvicorn.Server(config)


@contextmanager
def serving(app: App) -> Iterator[Serving]:
    """Serve an app that needs nothing opened."""

    @asynccontextmanager
    async def opening() -> Any:
        yield app

    with serving_opened(opening) as server:
        yield server


@contextmanager
def serving_opened(opening: Opening, server_of: Making | None = None) -> Iterator[Serving]:
    """Serve an app made by an async context manager, on a server that may be made as the gateway makes its own."""
    server = Serving(opening, server_of)
    try:
        yield server
    finally:
        server.stop()
