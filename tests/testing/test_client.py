"""The client: what the app is told, its lifespan, and how a request ends."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio.testing
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gai_stream.testing import ASGIClient

pytestmark = pytest.mark.anyio

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

autojump = pytest.mark.parametrize(
    "anyio_backend", [("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})], ids=["autojump"]
)


class Recorder:
    """Answer every request with an empty 200 and remember its scope."""

    def __init__(self) -> None:
        self.scopes: list[Message] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await PlainTextResponse("ok")(scope, receive, send)


async def never(scope: Message, receive: Receive, send: Send) -> None:
    """Start a response and never end, whatever the client does."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await anyio.sleep_forever()


# What the app is told


async def test_scope_is_that_of_a_server() -> None:
    app = Recorder()
    await ASGIClient(app).get("/chat%2Fx/caf\u00e9?q=1&q=%20\u00e9 +")
    assert app.scopes == [
        {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/chat/x/café",
            "raw_path": b"/chat%2Fx/caf%C3%A9",
            "query_string": b"q=1&q=%20%C3%A9%20+",
            "root_path": "",
            "headers": [(b"host", b"testserver")],
            "client": ("127.0.0.1", 50000),
            "server": ("testserver", 80),
            "extensions": {},
        }
    ]


async def test_options_reach_the_scope() -> None:
    app = Recorder()
    client = ASGIClient(app, http_version="2", spec_version="2.4", root_path="/api", client=None)
    await client.request("delete", "/x")
    scope = app.scopes[0]
    assert (scope["http_version"], scope["asgi"]["spec_version"], scope["method"]) == ("2", "2.4", "DELETE")
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/api", "/api/x", b"/api/x")
    assert (scope["client"], scope["query_string"]) == (None, b"")


async def test_headers_of_a_request_come_before_those_of_the_client() -> None:
    app = Recorder()
    client = ASGIClient(app, headers={"Host": "here", "X-A": "1", "x-b": "1"})
    await client.get("/", headers=[("x-a", "2"), (b"X-A", b"\xff"), ("Last-Event-ID", "é")])
    await client.get("/")
    assert app.scopes[0]["headers"] == [
        (b"host", b"here"),
        (b"x-b", b"1"),
        (b"x-a", b"2"),
        (b"x-a", b"\xff"),
        (b"last-event-id", "é".encode()),
    ]
    assert app.scopes[1]["headers"] == [(b"host", b"here"), (b"x-a", b"1"), (b"x-b", b"1")]


async def test_json_and_text_bring_their_headers() -> None:
    app = Recorder()
    client = ASGIClient(app)
    await client.post("/", json={"a": "é"})
    await client.post("/", content="é", headers={"content-type": "text/plain"})
    host = (b"host", b"testserver")
    assert app.scopes[0]["headers"] == [host, (b"content-type", b"application/json"), (b"content-length", b"10")]
    assert app.scopes[1]["headers"] == [host, (b"content-length", b"2"), (b"content-type", b"text/plain")]


async def test_json_reaches_the_app() -> None:
    async def echo(request: Request) -> Response:
        return Response(await request.body())

    response = await ASGIClient(Starlette(routes=[Route("/", echo, methods=["POST"])])).post("/", json=[1, {"b": None}])
    assert response.json() == [1, {"b": None}]


async def test_json_and_content_together_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^give json or content, not both$"):
        await ASGIClient(Recorder()).post("/", json=1, content=b"1")


def test_senseless_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^buffer_size must be 0 or more bytes, not -1$"):
        ASGIClient(Recorder(), buffer_size=-1)
    for timeout in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=r"^timeout must be more than 0 seconds, not "):
            ASGIClient(Recorder(), timeout=timeout)


async def test_response_is_an_app() -> None:
    async def produce() -> AsyncGenerator[str, None]:
        for number in range(3):
            yield str(number)

    async with ASGIClient(StreamingResponse(produce())) as client, client.stream("GET", "/") as response:
        assert [chunk async for chunk in response.chunks()] == [b"0", b"1", b"2"]


# How a request ends


async def test_stream_is_entered_when_the_response_has_started() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await anyio.wait_all_tasks_blocked()
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await receive()
        await receive()

    async with ASGIClient(app).stream("GET", "/") as response:
        assert response.status == 202


async def test_stream_can_be_entered_before_and_left_without_a_response() -> None:
    received: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        received.append((await receive())["type"])

    async with ASGIClient(app).stream("GET", "/", wait=False) as response:
        assert (response.status, dict(response.headers), response.sent) == (0, {}, [])
        await response.disconnect()
        with pytest.raises(AssertionError, match=r"^the app ended without a response$"):
            await response.start()
    assert received == ["http.disconnect"]


async def test_app_that_answers_nothing_is_an_error() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        pass

    with pytest.raises(AssertionError, match=r"^the app ended without a response$"):
        await ASGIClient(app).get("/")


async def test_app_that_raises_before_its_response_raises_that() -> None:
    error = KeyError("mine")

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        raise error

    with pytest.raises(KeyError) as raised:
        await ASGIClient(app).get("/")
    assert raised.value is error
    with pytest.raises(AssertionError, match=r"^the app ended without a response$") as wrapped:
        await ASGIClient(app, raise_app_exceptions=False).get("/")
    assert wrapped.value.__cause__ is error


async def test_app_that_raises_behind_its_response_raises_on_leaving() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await PlainTextResponse("whole")(scope, receive, send)
        raise KeyError("mine")

    async with ASGIClient(app, raise_app_exceptions=False).stream("GET", "/") as response:
        assert await response.read() == b"whole"
    assert isinstance(response.app_exception, KeyError)
    with pytest.raises(KeyError, match="mine"):
        async with ASGIClient(app).stream("GET", "/") as response:
            assert await response.read() == b"whole"


async def test_leaving_early_disconnects_and_waits_for_the_end() -> None:
    closed: list[str] = []

    async def produce() -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "x"
                await anyio.lowlevel.checkpoint()
        finally:
            closed.append("closed")

    async with ASGIClient(StreamingResponse(produce())).stream("GET", "/") as response:
        await anext(response.chunks())
        assert not response.app_ended
    assert response.app_ended
    assert closed == ["closed"]


@autojump
async def test_app_that_does_not_end_after_the_disconnect_is_an_error() -> None:
    begin = anyio.current_time()
    with pytest.raises(AssertionError, match=r"^the app did not end within 2.5 s after the client disconnected$"):
        async with ASGIClient(never, timeout=2.5).stream("GET", "/"):
            pass
    assert anyio.current_time() - begin == pytest.approx(2.5)


@autojump
async def test_your_own_error_comes_before_the_apps() -> None:
    with pytest.raises(KeyError, match="yours"):
        async with ASGIClient(never).stream("GET", "/"):
            raise KeyError("yours")


@autojump
@pytest.mark.parametrize("outcome", [KeyError, pytest.fail.Exception, SystemExit])
async def test_your_own_error_comes_out_as_itself(outcome: type[BaseException]) -> None:
    error = outcome("yours")
    with pytest.raises(outcome) as raised:
        async with ASGIClient(Recorder()) as client, client.stream("GET", "/"):
            raise error
    assert raised.value is error


async def test_cancelled_stream_ends_its_app_at_once() -> None:
    with anyio.CancelScope() as scope:
        async with ASGIClient(never).stream("GET", "/") as response:
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert response.app_ended


async def test_nothing_is_left_behind() -> None:
    async def stalled() -> AsyncGenerator[bytes, None]:
        yield b"a"
        await anyio.sleep_forever()

    for _ in range(3):
        async with ASGIClient(StreamingResponse(iter(["a", "b"]))).stream("POST", "/", content=stalled()) as response:
            await anext(response.chunks())
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with ASGIClient(never).stream("GET", "/"):
            pytest.fail("entered in spite of the cancellation")
    gc.collect()  # a channel or generator left open warns now


# Lifespan


def with_lifespan(log: list[str], *, startup: Exception | None = None, shutdown: Exception | None = None) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[dict[str, Any], None]:
        log.append("startup")
        if startup:
            raise startup
        yield {"model": "fast"}
        log.append("shutdown")
        if shutdown:
            raise shutdown

    async def index(request: Request) -> Response:
        return PlainTextResponse(request.state.model)

    return Starlette(routes=[Route("/", index)], lifespan=lifespan)


async def test_lifespan_surrounds_the_requests_and_gives_them_its_state() -> None:
    log: list[str] = []
    async with ASGIClient(with_lifespan(log)) as client:
        assert log == ["startup"]
        assert (await client.get("/")).text == "fast"
        assert log == ["startup"]
    assert log == ["startup", "shutdown"]


async def test_state_is_not_shared_between_requests() -> None:
    seen: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["count"] = 1
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            seen.append(dict(scope["state"]))
            scope["state"]["count"] = 2
            await PlainTextResponse("ok")(scope, receive, send)

    async with ASGIClient(app) as client:
        await client.get("/")
        await client.get("/")
    assert seen == [{"count": 1}, {"count": 1}]


async def test_without_a_context_there_is_no_lifespan() -> None:
    log: list[str] = []
    with pytest.raises(AttributeError, match="model"):
        await ASGIClient(with_lifespan(log)).get("/")
    assert log == []


async def test_app_without_a_lifespan_is_left_in_peace() -> None:
    app = Recorder()
    async with ASGIClient(app) as client:
        assert (await client.get("/")).text == "ok"
    assert [scope["type"] for scope in app.scopes] == ["lifespan", "http"]
    assert "state" not in app.scopes[1]


async def test_failed_startup_raises_what_the_app_raised() -> None:
    error = KeyError("no model")
    with pytest.raises(KeyError) as raised:
        async with ASGIClient(with_lifespan([], startup=error)):
            pytest.fail("entered in spite of the failure")
    assert raised.value is error


@autojump
async def test_failed_startup_that_only_says_so_raises_its_words() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.failed", "message": "no model"})
        await anyio.sleep_forever()

    with pytest.raises(RuntimeError, match=r"^the app's startup failed: no model$"):
        async with ASGIClient(app):
            pytest.fail("entered in spite of the failure")


async def test_failed_shutdown_is_raised_unless_you_failed_first() -> None:
    with pytest.raises(KeyError, match="stuck"):
        async with ASGIClient(with_lifespan([], shutdown=KeyError("stuck"))):
            pass
    log: list[str] = []
    with pytest.raises(ValueError, match="yours"):
        async with ASGIClient(with_lifespan(log, shutdown=KeyError("stuck"))):
            raise ValueError("yours")
    assert log == ["startup", "shutdown"]


async def test_failed_shutdown_that_only_says_so_raises_its_words() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for kind in ("startup.complete", "shutdown.failed"):
            await receive()
            await send({"type": f"lifespan.{kind}"})

    with pytest.raises(RuntimeError, match=r"^the app's shutdown failed: $"):
        async with ASGIClient(app):
            pass


@autojump
async def test_lifespan_that_does_not_end_is_an_error() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})
        await anyio.sleep_forever()

    with pytest.raises(AssertionError, match=r"^the app's lifespan did not end within 5 s of lifespan.shutdown$"):
        async with ASGIClient(app):
            pass
