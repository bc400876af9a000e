"""FastAPI's own Server-Sent Events: a path operation that yields models, with `response_class=EventSourceResponse`."""

from __future__ import annotations

from collections.abc import AsyncIterable

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel

from benchmarks.peers import ASGIApp, Source

__all__ = ["app"]


class Text(BaseModel):
    """One event's data."""

    type: str
    content: str


def app(source: Source) -> ASGIApp:
    """Return the app."""
    application = FastAPI()

    @application.get("/fastapi", response_class=EventSourceResponse)
    async def answer() -> AsyncIterable[Text]:
        async for text in source():
            yield Text(type="text", content=text)

    return application
