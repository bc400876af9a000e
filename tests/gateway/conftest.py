"""What the gateway's tests share: a real server on a free port, and a provider that remembers."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import anyio
import pytest
import uvicorn

from gai_stream.events import Event
from gai_stream.providers import ChatRequest

Serve = Callable[[Any], str]


class Remembering:
    """A provider that says `events`, and remembers what it was asked and whether its streams were closed."""

    name = "house"
    model = "inner-1"
    dialect = "gai"
    supports_streaming = True

    def __init__(self, *events: Event | Exception, ever: bool = False) -> None:
        self.events = events
        self.ever = ever
        self.asked: list[ChatRequest] = []
        self.closed = threading.Event()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        self.asked.append(request)
        try:
            for event in self.events:
                if isinstance(event, Exception):
                    raise event
                yield event
            if self.ever:
                await anyio.sleep_forever()
        finally:
            self.closed.set()

    async def aclose(self) -> None:
        """Have nothing to let go of."""


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve `app` in a thread until the block ends. Yields its address, without a slash at its end."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=partial(server.run, sockets=[listener]))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve applications until the end of the test: `serve(app)` returns an address."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(running(app))


@pytest.fixture
def remembering() -> type[Remembering]:
    """The provider that remembers, to be made of the events it says."""
    return Remembering
