"""What runs in a server's process: the contestants, each at a path of its name, and the benchmark's control.

`python -m benchmarks.load.served SERVER ADDRESS CONTESTANTS OPTIONS` serves until its standard input ends. ADDRESS is
the file descriptor of a listening socket, or a port for the one server that takes no descriptor.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from benchmarks.load.source import Pace
from benchmarks.peers import ASGIApp, build

__all__ = ["SERVERS", "Served", "app"]


class Served:
    """The ASGI app."""

    def __init__(self, contestants: list[str], options: dict[str, Any]) -> None:
        self._pace = Pace()
        self._apps: dict[str, ASGIApp] = {f"/{name}": build(name, self._pace, **options) for name in contestants}
        self._apps["/control"] = self._control

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._apps[scope["path"]](scope, receive, send)
        elif scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})

    async def _control(self, scope: Any, receive: Any, send: Any) -> None:
        """Set the pace, or say what this process has used so far: CPU time of all its threads, and memory."""
        # First of all, so that as little as may be of this request is in it.
        cpu_ns = time.process_time_ns()
        asked = dict(parse_qsl(scope["query_string"].decode()))
        if "collect" in asked:
            gc.collect()
        if "events" in asked:
            self._pace.burst(int(asked["events"]), float(asked["wait"]), float(asked["gap"]))
        elif "rate" in asked:
            self._pace.paced(float(asked["rate"]))
        body = json.dumps({"cpu_ns": cpu_ns, "yielded": self._pace.yielded, "resident": _resident()}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _resident() -> int:
    """Return the bytes of memory that this process has resident."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def app() -> Served:
    """Return the app that this process was started for."""
    return Served(sys.argv[3].split(","), json.loads(sys.argv[4]))


def _uvicorn(loop: str, http: str) -> Callable[[int], None]:
    def serve(descriptor: int) -> None:
        import uvicorn

        config = uvicorn.Config(app, factory=True, loop=loop, http=http, log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])

    return serve


def _hypercorn(descriptor: int) -> None:
    import uvloop
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    uvloop.run(serve(app(), Config.from_mapping(bind=[f"fd://{descriptor}"], loglevel="warning")))


def _granian(port: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces, Loops
    from granian.log import LogLevels

    Granian(
        "benchmarks.load.served:app",
        factory=True,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        log_level=LogLevels.warning,
    ).serve()


SERVERS: dict[str, Callable[[int], None]] = {
    "uvicorn-uvloop-httptools": _uvicorn("uvloop", "httptools"),
    "uvicorn-uvloop-h11": _uvicorn("uvloop", "h11"),
    "uvicorn-asyncio-httptools": _uvicorn("asyncio", "httptools"),
    "uvicorn-asyncio-h11": _uvicorn("asyncio", "h11"),
    "granian": _granian,
    "hypercorn": _hypercorn,
}


def _end_when_left_alone() -> None:
    """End this process and those it started once the benchmark is gone, however it went."""
    # Not through `sys.stdin`: a process that is forked meanwhile would wait for its lock for ever.
    os.read(0, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_when_left_alone, daemon=True).start()
    SERVERS[sys.argv[1]](int(sys.argv[2]))
