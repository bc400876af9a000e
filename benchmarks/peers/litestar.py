"""Litestar: a handler that returns `ServerSentEvent` over an async generator. It has no heartbeat."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
from litestar import Litestar, get
from litestar.response import ServerSentEvent

from benchmarks.peers import ASGIApp, Source

__all__ = ["app"]


def app(source: Source) -> ASGIApp:
    """Return the app."""

    async def events() -> AsyncIterator[bytes]:
        async for text in source():
            yield orjson.dumps({"type": "text", "content": text})

    @get("/litestar", sync_to_thread=False)
    def answer() -> ServerSentEvent:
        return ServerSentEvent(events())

    return Litestar(route_handlers=[answer])
