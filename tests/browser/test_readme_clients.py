"""The README's browser clients, as they stand there, in Chromium, against the README's own apps under uvicorn."""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gai_stream import ProviderError, ndjson_response, sse_response
from gai_stream.testing import failing_source

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
ASKED = "Why is the sky blue?"
QUESTION = "Grüße aus 東京, <b>not markup</b> & \U0001f469\u200d\U0001f680?"
USAGE = {"input_tokens": 4, "output_tokens": 3, "total_tokens": 7}
PATIENCE = 30_000
"""How many milliseconds anything may take before a test fails rather than hangs."""


def block(language: str, *parts: str) -> str:
    """Return the first block of the README in `language` that holds all `parts`."""
    for text in re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        if all(part in text for part in parts):
            return str(text)
    raise AssertionError(f"the README has no {language} block with {', '.join(parts)}")


EVENT_SOURCE = block("js", "new EventSource(")
FETCH = block("js", "await fetch(")


class Site:
    """A page with one script in it, and the application that the script asks."""

    def __init__(self, script: str, app: ASGIApp, *, module: bool = False, byte_by_byte: bool = False) -> None:
        kind = ' type="module"' if module else ""
        self._page = (
            '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><pre id="answer"></pre>'
            f'<script{kind}>{script}\ndocument.title = "read to its end";</script>'
        )
        self._app = app
        self._byte_by_byte = byte_by_byte
        self.requests: Counter[str] = Counter()
        self.asked_again = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/":
            await HTMLResponse(self._page)(scope, receive, send)
            return
        self.requests[scope["path"]] += 1
        if self.requests[scope["path"]] > 1:
            self.asked_again.set()

        async def cut(message: Message) -> None:
            body = message.get("body", b"")
            for i in range(len(body) - 1):
                await send({"type": "http.response.body", "body": body[i : i + 1], "more_body": True})
            await send({**message, "body": body[-1:]} if body else message)

        await self._app(scope, receive, cut if self._byte_by_byte else send)


@contextmanager
def running(site: Site) -> Iterator[str]:
    """Serve a site until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(site, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=2)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(PATIENCE / 1000)
            assert not thread.is_alive(), "the server did not stop"


Serve = Callable[[Site], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve sites until the end of the test: `serve(site)` returns its address."""
    with ExitStack() as servers:
        yield lambda site: servers.enter_context(running(site))


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of its own."""
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Run a Python block as a module and return its app."""

    def load(source: str) -> Any:
        module = ModuleType("readme_app")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(source, "README.md", "exec", dont_inherit=True), vars(module))
        return module.app

    return load


@pytest.fixture
def sse_app(load: Callable[[str], Any]) -> Any:
    return load(block("python", "sse_response", "app = Starlette"))


@pytest.fixture
def ndjson_app(load: Callable[[str], Any]) -> Any:
    return load(block("python", "ndjson_response", "app = FastAPI"))


def asking(question: str, script: str) -> str:
    """Return a client of the README with another question in it."""
    assert script.count(ASKED) == 1
    return script.replace(ASKED, question)


def wait_until_closed(page: Page) -> None:
    """Wait until the client has closed its EventSource: from then on it can never connect again."""
    page.wait_for_function("source.readyState === EventSource.CLOSED")


def expect_text(page: Page, text: str) -> None:
    expect(page.locator("#answer")).to_have_text(text, timeout=PATIENCE)
    assert page.locator("#answer").text_content() == text
    assert page.locator("#answer *").count() == 0, "text became markup"


def failing(respond: Callable[..., Response], *said: str) -> ASGIApp:
    """An app whose provider fails after what it `said`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        source = failing_source(said, ProviderError("overloaded", "busy"))
        await respond(source)(scope, receive, send)

    return app


def raw(media_type: str, body: bytes) -> ASGIApp:
    """An app that sends a body as it is, and ends."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(body, media_type=media_type)(scope, receive, send)

    return app


# EventSource


@pytest.mark.parametrize("byte_by_byte", [False, True], ids=["as-sent", "byte-by-byte"])
def test_event_source_reads_an_answer_once(page: Page, serve: Serve, sse_app: Any, byte_by_byte: bool) -> None:
    site = Site(asking(QUESTION, EVENT_SOURCE), sse_app, byte_by_byte=byte_by_byte)
    with page.expect_console_message(lambda message: message.text.startswith("usage")) as told:
        page.goto(serve(site))
    wait_until_closed(page)
    expect_text(page, f"You asked: {QUESTION}")
    assert told.value.args[1].json_value() == USAGE
    assert site.requests == {"/chat": 1}


def test_event_source_that_is_not_closed_asks_again(page: Page, serve: Serve) -> None:
    # Why the client closes it on `done`, and that these tests would see it if it did not.
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sse_response(["Hi"], retry=1)(scope, receive, send)

    lines = EVENT_SOURCE.splitlines()
    careless = "\n".join(line for line in lines if '"done"' not in line).replace("else source.close();", "")
    assert careless.count("close") == 0
    site = Site(careless, app)
    page.goto(serve(site))
    assert site.asked_again.wait(PATIENCE / 1000)


def test_event_source_tells_the_streams_own_error(page: Page, serve: Serve) -> None:
    site = Site(EVENT_SOURCE, failing(sse_response, "So ", "far"))
    with page.expect_console_message(lambda message: message.text.startswith("failed")) as told:
        page.goto(serve(site))
    assert told.value.text == "failed busy"
    wait_until_closed(page)
    expect_text(page, "So far")
    assert site.requests == {"/chat": 1}


@pytest.mark.parametrize(
    ("app", "text"),
    [
        (raw("text/event-stream", b'event: text_delta\ndata: {"text":"So far"}\n\nevent: text_de'), "So far"),
        (failing(sse_response), ""),
    ],
    ids=["cut", "refused"],
)
def test_event_source_closes_when_the_connection_is_lost(page: Page, serve: Serve, app: ASGIApp, text: str) -> None:
    site = Site(EVENT_SOURCE, app)
    page.goto(serve(site))
    wait_until_closed(page)
    expect_text(page, text)
    assert site.requests == {"/chat": 1}


# fetch


@pytest.mark.parametrize("byte_by_byte", [False, True], ids=["as-sent", "byte-by-byte"])
def test_fetch_reads_an_answer(page: Page, serve: Serve, ndjson_app: Any, byte_by_byte: bool) -> None:
    site = Site(asking(QUESTION, FETCH), ndjson_app, module=True, byte_by_byte=byte_by_byte)
    with page.expect_console_message(lambda message: message.text.startswith("usage")) as told:
        page.goto(serve(site))
    expect(page).to_have_title("read to its end", timeout=PATIENCE)
    expect_text(page, f"You asked: {QUESTION}")
    assert told.value.args[1].json_value() == USAGE
    assert site.requests == {"/api/chat": 1}


def test_fetch_skips_blank_lines_and_takes_a_last_line_without_its_end(page: Page, serve: Serve) -> None:
    body = (
        '\n{"text":"Grü","type":"text_delta"}\r\n\n  \r\n{"text":"ße","type":"text_delta"}\n'
        '{"finished":true,"type":"done"}'
    )
    site = Site(FETCH, raw("application/x-ndjson", body.encode()), module=True, byte_by_byte=True)
    page.goto(serve(site))
    expect(page).to_have_title("read to its end", timeout=PATIENCE)
    expect_text(page, "Grüße")


def test_fetch_tells_the_streams_own_error(page: Page, serve: Serve) -> None:
    site = Site(FETCH, failing(ndjson_response, "So ", "far"), module=True)
    with page.expect_console_message(lambda message: message.text.startswith("failed")) as told:
        page.goto(serve(site))
    assert told.value.text == "failed busy"
    expect(page).to_have_title("read to its end", timeout=PATIENCE)
    expect_text(page, "So far")


@pytest.mark.parametrize(
    ("app", "reason", "text"),
    [
        (failing(ndjson_response), "busy", ""),
        (raw("application/x-ndjson", b'{"text":"So far","type":"text_delta"}\n'), "the connection was lost", "So far"),
    ],
    ids=["refused", "cut"],
)
def test_fetch_throws_when_there_is_no_answer(page: Page, serve: Serve, app: ASGIApp, reason: str, text: str) -> None:
    site = Site(FETCH, app, module=True)
    with page.expect_event("pageerror") as thrown:
        page.goto(serve(site))
    assert thrown.value.message == reason
    expect_text(page, text)
    assert page.title() == ""
