"""ASGI by hand: one `send` for each event, and nothing else. No heartbeat, no watch for a client that leaves."""

from __future__ import annotations

from typing import Any

import orjson

from benchmarks.peers import ASGIApp, Source

__all__ = ["app"]

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")],
}


def app(source: Source) -> ASGIApp:
    """Return the app."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send(_START)
        async for text in source():
            body = b"data: " + orjson.dumps({"type": "text", "content": text}) + b"\n\n"
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return answer
