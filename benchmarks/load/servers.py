"""Servers in processes of their own, on 127.0.0.1 and a free port, that end with the block that started them."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

__all__ = ["FIRST", "Server", "Used", "serving"]

FIRST = "uvicorn-uvloop-httptools"
"""The server that the aims are about."""

_FILES = 16384
_PATIENCE = 30.0
"""How many seconds a server may take to come up, or to answer."""


@dataclass(frozen=True)
class Used:
    """What a server's process has used so far.

    CPU time of all its threads in ns, the events that its paced streams have yielded, and its resident bytes of memory.
    """

    cpu_ns: int
    yielded: int
    resident: int


class Server:
    """A server that runs: `port` is where, and what follows is what its control does."""

    def __init__(self, port: int) -> None:
        self.port = port

    def burst(self, events: int, *, wait: float = 0.0, gap: float = 0.0) -> None:
        """Have the streams that are opened from now on yield so many events at once.

        But for `wait` seconds before the first, and `gap` seconds behind it.
        """
        self._ask(events=events, wait=wait, gap=gap)

    def paced(self, rate: float) -> None:
        """Have every paced stream, and those that are opened from now on, yield so many events per second; 0: none."""
        self._ask(rate=rate)

    def collect(self) -> None:
        """Have the process collect its garbage."""
        self._ask(collect=1)

    def used(self) -> Used:
        """Return what the process has used so far."""
        return self._ask()

    def _ask(self, **question: Any) -> Used:
        # A connection for each: servers close those that wait for their next request for some seconds.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request("GET", f"/control?{urlencode(question)}")
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"the server's control answered {answer.status}")
        return Used(**json.loads(body))


@contextmanager
def serving(contestants: Sequence[str], server: str = FIRST, **options: Any) -> Iterator[Server]:
    """Serve `contestants`, each at a path of its name, made with `options`; `server` is a name of `served.SERVERS`."""
    _allow_files()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        port: int = listener.getsockname()[1]
        descriptors = [listener.fileno()]
        if server == "granian":
            # It takes no descriptor, only a port.
            listener.close()
            descriptors = []
        address = str(descriptors[0] if descriptors else port)
        arguments = [server, address, ",".join(contestants), json.dumps(options)]
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-P", "-m", "benchmarks.load.served", *arguments],
                # The server imports what this process would, wherever either stands.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                stdin=subprocess.PIPE,
                pass_fds=descriptors,
                # A group of its own: a server's workers end with it.
                start_new_session=True,
            )
        )
        stack.callback(_end, process)
        listener.close()
        running = Server(port)
        _wait_until_up(process, running)
        yield running


def _allow_files() -> None:
    """Let the server, which takes the limit over, and its clients open as many files as they may, up to some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _wait_until_up(process: subprocess.Popen[bytes], server: Server) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            server.used()
        except OSError:
            with suppress(subprocess.TimeoutExpired):
                raise RuntimeError(f"the server ended with status {process.wait(0.05)}") from None
            if time.monotonic() >= deadline:
                raise
        else:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server at once: nothing of it is to be kept, and some contestants never notice that a client has left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
