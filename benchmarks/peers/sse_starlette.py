"""sse-starlette, as its README has it: `EventSourceResponse` over an async generator of dicts.

The response is the application, with no framework around it, as ours is. `heartbeat` is its `ping`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
from sse_starlette import EventSourceResponse

from benchmarks.peers import ASGIApp, Source

__all__ = ["app"]


def app(source: Source, heartbeat: float | None = None) -> ASGIApp:
    """Return the app."""

    async def events() -> AsyncIterator[dict[str, str]]:
        async for text in source():
            yield {"data": orjson.dumps({"type": "text", "content": text}).decode()}

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await EventSourceResponse(events(), ping=heartbeat)(scope, receive, send)

    return answer
