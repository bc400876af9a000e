"""What the gateway's tests share: real servers on free ports, and a provider that remembers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeAlias

import anyio
import pytest
import uvicorn

from gai_stream.events import Event
from gai_stream.providers import ChatRequest

Serve = Callable[[Any], str]
Script: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]


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


class Upstream:
    """A fake of a provider's server: whoever asks gets what `script` sends, and then nothing until it leaves.

    `open` is how many connections there are; `left` gets an item for each that is over.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.address = ""
        self.open = 0
        self.left: SimpleQueue[None] = SimpleQueue()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            await self.script(writer)
            while await reader.read(1024):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()
            self.left.put(None)


@contextmanager
def faking(script: Script) -> Iterator[Upstream]:
    """Run an upstream in a thread until the block ends."""
    made, ready, loop = Upstream(script), threading.Event(), asyncio.new_event_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    made.address = f"http://127.0.0.1:{listener.getsockname()[1]}"

    async def run() -> None:
        server = await asyncio.start_server(made.answer, sock=listener)
        ready.set()
        async with server:
            await server.serve_forever()

    task = loop.create_task(run())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()
    ready.wait()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


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


@pytest.fixture(scope="session")
def upstream() -> Callable[[Script], AbstractContextManager[Upstream]]:
    """Fake a provider's server: `with upstream(script) as fake`."""
    return faking


@pytest.fixture(scope="session")
def serving() -> Callable[[Any], AbstractContextManager[str]]:
    """Serve one application: `with serving(app) as address`."""
    return running


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve applications until the end of the test: `serve(app)` returns an address."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(running(app))


@pytest.fixture
def remembering() -> type[Remembering]:
    """The provider that remembers, to be made of the events it says."""
    return Remembering
