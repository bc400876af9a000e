"""What the demo's tests share: its own server on a free port."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from starlette.types import ASGIApp

from gai_stream.demo.server import Server, listen, url_of
from gai_stream.demo.shutdown import Shutdown

Serve = Callable[..., str]


@contextmanager
def _running(app: ASGIApp, shutdown: Shutdown | None) -> Iterator[str]:
    listener = listen("127.0.0.1", 0)
    server = Server(app, shutdown or Shutdown(), log_level="warning")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield url_of("127.0.0.1", listener)
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application in a thread until the end of the test: `serve(app)` returns its address."""
    with ExitStack() as servers:
        yield lambda app, shutdown=None: servers.enter_context(_running(app, shutdown))
