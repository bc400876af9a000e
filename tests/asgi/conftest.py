"""One request to a response or an app, read as the test needs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gai_stream.testing import ASGIClient


@pytest.fixture(autouse=True)
def tasks(tasks_of_either_kind: None) -> None:
    """Have every test hold with either kind."""


@pytest.fixture
def serve() -> Callable[..., Awaitable[Any]]:
    """Return the whole response to one request."""

    async def serve(app: Any, method: str = "GET", path: str = "/", **request: Any) -> Any:
        http_version = request.pop("http_version", "1.1")
        async with ASGIClient(app, http_version=http_version) as client:
            return await client.request(method, path, **request)

    return serve


@pytest.fixture
def events_of() -> Callable[..., Awaitable[list[tuple[str, Any]]]]:
    """Return the name and the JSON value of every event of a response."""

    async def events_of(app: Any) -> list[tuple[str, Any]]:
        async with ASGIClient(app) as client, client.stream("GET", "/") as stream:
            return [(message.event, message.json()) async for message in stream.events()]

    return events_of
