"""Every recording in every dialect, behind the addresses that the clients ask: one real server on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gai_stream import ndjson_response, sse_response
from gai_stream.dialects import registry
from gai_stream.events import Event

__all__ = ["TARGETS", "Target", "serving"]


class Target(NamedTuple):
    """One encoder as one client reads it: `name` is the client's, `options` are the encoder's.

    `tells_reason` and `tells_usage` say whether the protocol has a place for the finish reason and for token counts.
    """

    name: str
    dialect: str
    options: Mapping[str, Any] = MappingProxyType({})
    tells_reason: bool = True
    tells_usage: bool = True

    def encoder(self) -> Any:
        """Return an encoder for one answer."""
        dialect = registry.dialect(self.dialect)
        assert dialect.encoder is not None
        return dialect.encoder(framing=dialect.framing, **self.options)


TARGETS: Final = (
    Target("openai", "openai"),
    Target("openai_responses", "openai_responses"),
    Target("anthropic", "anthropic"),
    Target("gemini", "gemini"),
    Target("ollama", "ollama"),
    Target("vercel 5", "vercel", {"profile": 5}, tells_reason=False, tells_usage=False),
    Target("vercel 6", "vercel", {"profile": 6}, tells_usage=False),
    Target("vercel 7", "vercel", {"profile": 7}, tells_usage=False),
    Target("ag_ui", "ag_ui"),
    Target("gai", "gai"),
    Target("gai_v1", "gai_v1"),
)


@contextmanager
def serving(streams: Sequence[list[Event]]) -> Iterator[Callable[[Target, int], str]]:
    """Serve `streams` until the block ends: what is yielded tells the address of a stream for a target."""

    async def answer(request: Request) -> Response:
        target = TARGETS[request.path_params["target"]]
        respond = sse_response if registry.dialect(target.dialect).framing == "sse" else ndjson_response
        return respond(streams[request.path_params["number"]], encoder=target.encoder())

    app = Starlette(routes=[Route("/{target:int}/{number:int}/{rest:path}", answer, methods=["GET", "POST"])])
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", lifespan="off"))
    thread = threading.Thread(target=partial(server.run, sockets=[listener]))
    thread.start()
    try:
        port = listener.getsockname()[1]
        yield lambda target, number: f"http://127.0.0.1:{port}/{TARGETS.index(target)}/{number}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
