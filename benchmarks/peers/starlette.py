"""Starlette's `StreamingResponse` over an async generator of framed bytes. It has no heartbeat.

The response is the application, as Starlette's documents show it for responses, with no framework around it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.responses import StreamingResponse

from benchmarks.peers import ASGIApp, Source

__all__ = ["app"]


def app(source: Source) -> ASGIApp:
    """Return the app."""

    async def events() -> AsyncIterator[bytes]:
        async for text in source():
            yield b"data: " + orjson.dumps({"type": "text", "content": text}) + b"\n\n"

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await StreamingResponse(events(), media_type="text/event-stream")(scope, receive, send)

    return answer
