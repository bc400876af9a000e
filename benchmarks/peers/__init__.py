"""The contestants of the server benchmarks: one file each, and in it the ASGI app that its own documents show.

Each file has `app(source)`: an ASGI application that answers every request with what `source()` yields, each piece of
text as one event. `ABOUT` says the rest, and stands in the report.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import import_module
from typing import Any, TypeAlias

__all__ = ["ABOUT", "CONTESTANTS", "ASGIApp", "Source", "build"]

Source: TypeAlias = Callable[[], AsyncIterator[str]]
ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

CONTESTANTS = {
    "raw": "hand-written ASGI",
    "gai_stream": "gai_stream",
    "sse_starlette": "sse-starlette",
    "starlette": "Starlette's StreamingResponse",
    "litestar": "Litestar's ServerSentEvent",
    "fastapi": "FastAPI's EventSourceResponse",
}
"""The file of each contestant, and what readers call it."""

ABOUT = """\
All contestants stream the same source, each piece of text as one event of some 45 bytes with a small JSON object. Ours
is `sse_response(source())` with all options at their defaults, its events named by type and ended by a `done` event.
The others send `data:` alone, the least that they can, written with orjson wherever it is the user who writes JSON:
hand-written ASGI with one `send` for each event, sse-starlette's `EventSourceResponse` over dicts, Starlette's
`StreamingResponse` over bytes, Litestar's `ServerSentEvent` over bytes, and a FastAPI path operation that yields
models. The first two, Starlette's and ours are the ASGI application themselves; the other two need their framework.
"""


def build(name: str, source: Source, **options: Any) -> ASGIApp:
    """Return the app of the contestant called `name`; only those that have an option take it."""
    app: ASGIApp = import_module(f"benchmarks.peers.{name}").app(source, **options)
    return app
