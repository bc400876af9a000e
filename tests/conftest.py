"""What tests share: both event loops, the corpus, a server, a browser, and the rule that CI skips nothing.

Playwright's sync API keeps an event loop in this thread while it runs, so its fixture lives no longer than a module,
and modules that use it hold plain tests only.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import trio.testing
import uvicorn

from gai_stream.writer.tasks import GroupTasks

if TYPE_CHECKING:
    # Imported by the fixtures: most tests need no browser.
    from playwright.sync_api import Browser, Page, Request

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
