"""What tests share: both event loops, the corpus, a server, a browser, and the rule that CI skips nothing.

Playwright's sync API keeps an event loop in this thread while it runs, so its fixture lives no longer than a module,
and modules that use it hold plain tests only.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import trio.testing
import uvicorn

from gai_stream.events import Event
from gai_stream.writer.tasks import GroupTasks

if TYPE_CHECKING:
    # Imported by the fixtures: most tests need no browser.
    from playwright.sync_api import Browser, Page, Request

# What a POST is answered with, by its path (without the number of its own) and its body: status, headers and body.
Answer = Callable[[str, bytes], tuple[int, dict[str, str], bytes]]

SHARED = Path(__file__).resolve().parents[2] / "shared"
IN_CI = os.environ.get("CI", "") not in ("", "0", "false")
# Nothing that leaves this machine: no look for updates, no sync.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]

# `conformance` is part of the checkout only. Last, so that an installed gai_stream is not hidden by the checkout's.
sys.path.append(str(Path(__file__).resolve().parents[1]))


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Run every asynchronous test on both event loops, or on a clock that jumps to the next deadline.

    For the latter: `@pytest.mark.parametrize("anyio_backend", ["trio-clock"], indirect=True)`.
    """
    if request.param == "trio-clock":
        return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}
    return request.param


@pytest.fixture(params=["plain tasks", "task group"])
def tasks_of_either_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a test hold with a Writer's tasks that suit the event loop, and with their slow twin, which suits any."""
    if request.param == "task group":
        monkeypatch.setattr("gai_stream.writer.writer.tasks_of_this_loop", GroupTasks)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The recorded provider streams, which are not part of this repository."""
    if not (SHARED / "corpus").is_dir():
        pytest.skip("needs the recorded streams in ../shared/corpus")
    return SHARED / "corpus"


@pytest.fixture(scope="session")
def expected(corpus: Path) -> dict[str, Any]:
    """What the real SDKs make of each recorded stream, by its path in the corpus."""
    files: dict[str, Any] = json.loads((corpus / "expected.json").read_text(encoding="utf-8"))["files"]
    return files


@pytest.fixture(scope="session")
def recorded(corpus: Path) -> dict[str, list[Event]]:
    """The events of every recorded stream, by its path in the corpus."""
    from conformance.recordings import events_of, recordings

    found = {recording.name: events_of(recording) for recording in recordings()}
    assert len(found) == 80
    return found


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve `app` in a thread until the block ends. Yields its address, without a slash at its end."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=partial(server.run, sockets=[listener]))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="session")
def serving() -> Callable[[Any], AbstractContextManager[str]]:
    """Serve one application: `with serving(app) as address`."""
    return running


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """Serve applications until the end of the test: `serve(app)` returns an address."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(running(app))


@pytest.fixture(scope="session")
def loopback() -> Iterator[Callable[[Answer], str]]:
    """Serve prepared bytes, as many answers as you like: `loopback(answer)` returns the base URL of one."""
    answers: list[Answer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["content-length"]))
            number, _, path = self.path[1:].partition("/")
            status, headers, body = answers[int(number)](path, asked)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def base_url(answer: Answer) -> str:
        answers.append(answer)
        return f"http://127.0.0.1:{server.server_port}/{len(answers) - 1}"

    yield base_url
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    from playwright.sync_api import expect, sync_playwright

    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs the program chromium")
    # Only a failing test waits this long: the machine may be busy.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Turn a skip into a failure in CI: whatever a test needs, `.ci/run` installs."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
