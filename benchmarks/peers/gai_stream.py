"""Ours, with every option at its default: heartbeat, disconnect watch, send time limit, and the first-byte gate.

`heartbeat` is for the benchmark in which only heartbeats flow.
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers import ASGIApp, Source
from gai_stream import sse_response

__all__ = ["app"]


def app(source: Source, **options: Any) -> ASGIApp:
    """Return the app."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await sse_response(source(), **options)(scope, receive, send)

    return answer
