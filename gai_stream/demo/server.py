"""uvicorn, made to leave well: open streams get their terminal frame, and nobody is killed or waited for in vain."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from gai_stream.demo.shutdown import Shutdown

__all__ = ["Server", "listen", "url_of"]

_FIRST_PORT: Final = 8000
_PORTS: Final = 100
# Seconds that a client has to take the end of its stream. One that reads nothing is then hung up on.
_GRACE: Final = 1.0


def listen(host: str, port: int | None = None) -> socket.socket:
    """Return a listening socket at `host` and `port`; for None, at 8000 or the next free port.

    The server takes over this very socket, so nobody can take the port in between. Raises OSError, in words for the
    user, when the address cannot be had.
    """
    ports = range(_FIRST_PORT, _FIRST_PORT + _PORTS) if port is None else (port,)
    for candidate in ports:
        try:
            return _bind(host, candidate)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise OSError(exc.errno, f"cannot listen on {host} port {candidate}: {exc.strerror or exc}") from exc
    if port is None:
        raise OSError(errno.EADDRINUSE, f"ports {ports[0]} to {ports[-1]} are all in use; choose one with --port")
    raise OSError(errno.EADDRINUSE, f"port {port} is in use; choose another one, or leave out --port for a free one")


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # Elsewhere this option would let two servers share one port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except BaseException:
        listener.close()
        raise
    return listener


def url_of(host: str, listener: socket.socket) -> str:
    """Return the address to open in a browser on this machine."""
    shown = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (shown, not bound)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{listener.getsockname()[1]}/"


class Server(uvicorn.Server):
    """Serve `app` on sockets that listen already, and end what `shutdown` watches before stopping.

    `run(sockets=[...])` blocks until SIGINT or SIGTERM, or until `should_exit` is set, and then returns in under two
    seconds. `on_ready` is called once signals are heeded and requests answered.
    """

    def __init__(
        self,
        app: ASGIApp,
        shutdown: Shutdown,
        *,
        log_level: str | None = None,
        on_ready: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                log_level=log_level,
                access_log=log_level == "debug",
                server_header=False,
                ws="none",
                # The last resort, for a request that ignores its disconnect.
                timeout_graceful_shutdown=2,
            )
        )
        self._shutdown = shutdown
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self._on_ready is not None:
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 (uvicorn's signature)
        """Stop; when told twice, without waiting for clients."""
        # uvicorn would also note the signal and raise it again after its clean end: a traceback for Ctrl-C, and an exit
        # status that says "killed" for SIGTERM.
        if self.should_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hang_up)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End open streams, then close connections, then the application."""
        self._loop = asyncio.get_running_loop()
        self._shutdown.begin()
        hang_up = self._loop.call_later(_GRACE, self._hang_up)
        try:
            await super().shutdown(sockets)
        finally:
            hang_up.cancel()

    def _hang_up(self) -> None:
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
