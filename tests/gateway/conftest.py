"""What the gateway's tests share: a provider that remembers."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator

import anyio
import pytest

from gai_stream.events import Event
from gai_stream.providers import ChatRequest


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


@pytest.fixture
def remembering() -> type[Remembering]:
    """The provider that remembers, to be made of the events it says."""
    return Remembering
