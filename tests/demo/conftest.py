"""What the demo's tests share: a real server on a free port, and Debian's Chromium.

Playwright's sync API keeps an event loop in this thread while it runs, so its fixture lives no longer than a module,
and modules that use it hold plain tests only.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright
from starlette.types import ASGIApp

from gai_stream.demo.server import Server, listen, url_of
from gai_stream.demo.shutdown import Shutdown

# Nothing that leaves this machine: no look for updates, no sync.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]

# Only a failing test waits this long: the machine may be busy.
expect.set_options(timeout=30_000)

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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs the program chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def forgiven() -> list[str]:
    """Parts of console messages that a test has good reason to cause."""
    return []


@pytest.fixture
def page(chromium: Browser, forgiven: list[str]) -> Iterator[Page]:
    """A page of its own. Whatever it complains of, or asks of a host that it was not opened from, fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def check(request: Request) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            complaints.append(f"asked {request.url}")

    page.on("request", check)
    yield page
    context.close()
    assert [text for text in complaints if not any(part in text for part in forgiven)] == []
