"""The server of the HTTP rows: two endpoints under uvicorn, in a process of its own, and a client that costs little.

Run as a module it serves the listening socket whose file descriptor it is given, until its standard input ends.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gai_stream.asgi import ndjson_handler, sse_handler
from gai_stream.events import TextDelta

__all__ = ["Client", "serving"]

_ROOT = Path(__file__).resolve().parents[1]
_END = b"\r\n0\r\n\r\n"


class Hundred:
    """A provider whose every answer is a hundred pieces of text, as fast as they are taken."""

    async def stream(self, request: object, /) -> AsyncIterator[TextDelta]:
        """Yield the answer."""
        for _ in range(100):
            yield TextDelta("Benchmark text")


def _prepare(request: object) -> None:
    return None


_ENDPOINTS = {"/sse": sse_handler(Hundred(), _prepare), "/ndjson": ndjson_handler(Hundred(), _prepare)}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer at /sse and /ndjson."""
    await _ENDPOINTS[scope["path"]](scope, receive, send)


@contextmanager
def serving() -> Iterator[int]:
    """Serve `app` in a process of its own; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The socket listens before the server runs, so the first request waits for it, and nobody has to ask again.
        command = [sys.executable, "-m", "benchmarks.server", str(listener.fileno())]
        with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, pass_fds=[listener.fileno()]) as process:
            try:
                yield listener.getsockname()[1]
            finally:
                assert process.stdin is not None
                process.stdin.close()
                process.wait(10)


class Client:
    """An HTTP/1.1 client for one kept-alive connection: `get` sends a request and reads the chunked body to its end."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()

    def get(self) -> bytes:
        """Return the whole response as it stood on the wire."""
        self._socket.sendall(self._request)
        response = self._socket.recv(65536)
        while not response.endswith(_END):
            if not (more := self._socket.recv(65536)):
                raise ConnectionError("the server closed the connection in the middle of a response")
            response += more
        return response

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _serve(descriptor: int) -> None:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))

    def stop_when_left_alone() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=stop_when_left_alone, daemon=True).start()
    server.run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
