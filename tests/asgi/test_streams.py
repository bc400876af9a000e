"""sse_response, ndjson_response and stream_response: headers, negotiation, CORS, last event ID, frameworks."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.routing import Route

from gai_stream.asgi import StreamResponse, last_event_id, ndjson_response, sse_response, stream_response
from gai_stream.testing import ASGIClient

pytestmark = pytest.mark.anyio

Respond = Callable[..., Any]
both_framings = pytest.mark.parametrize("respond", [sse_response, ndjson_response])


async def serve(app: Any, method: str = "GET", path: str = "/", **request: Any) -> Any:
    http_version = request.pop("http_version", "1.1")
    async with ASGIClient(app, http_version=http_version) as client:
        return await client.request(method, path, **request)


# --- headers ---------------------------------------------------------------------------------------------------------


async def test_sse_headers_are_the_documented_ones() -> None:
    response = await serve(sse_response([]))
    assert dict(response.headers) == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache, no-store, must-revalidate, no-transform",
        "connection": "keep-alive",
        "x-accel-buffering": "no",
        "access-control-allow-origin": "*",
    }


async def test_ndjson_headers_are_the_documented_ones() -> None:
    response = await serve(ndjson_response([]))
    assert dict(response.headers) == {
        "content-type": "application/x-ndjson",
        "cache-control": "no-cache, no-store, must-revalidate, no-transform",
        "connection": "keep-alive",
        "x-accel-buffering": "no",
        "access-control-allow-origin": "*",
    }


@both_framings
@pytest.mark.parametrize("http_version", ["2", "3"])
async def test_no_connection_header_beyond_http_1(respond: Respond, http_version: str) -> None:
    """Acceptance 15; hypercorn shows it on a real HTTP/2 connection."""
    response = await serve(respond([]), http_version=http_version)
    assert "connection" not in response.headers
    assert "transfer-encoding" not in response.headers


@both_framings
async def test_the_callers_headers_win_and_are_never_doubled(respond: Respond) -> None:
    headers = {"Cache-Control": "private", "X-Own": "1", "Content-Type": "text/x-own"}
    response = await serve(respond([], headers=headers, status=201))
    assert response.status == 201
    assert response.headers.get_list("cache-control") == ["private"]
    assert response.headers.get_list("content-type") == ["text/x-own"]
    assert response.headers["x-own"] == "1"


async def test_headers_added_later_win_too() -> None:
    response = sse_response([])
    response.headers["X-Later"] = "1"
    response.headers.append("cache-control", "private")
    response.set_cookie("session", "7")
    got = await serve(response)
    assert got.headers["x-later"] == "1"
    assert got.headers.get_list("cache-control") == ["private"]
    assert got.headers["set-cookie"].startswith("session=7")


# --- CORS ------------------------------------------------------------------------------------------------------------


@both_framings
async def test_cors_is_for_everyone_by_default_and_can_be_none(respond: Respond) -> None:
    origin = {"Origin": "https://app.example"}
    response = await serve(respond([]), headers=origin)
    assert response.headers["access-control-allow-origin"] == "*"
    response = await serve(respond([], cors=None), headers=origin)
    assert "access-control-allow-origin" not in response.headers
    assert "vary" not in response.headers


@pytest.mark.parametrize("cors", ["https://app.example", ["https://other.example", "https://app.example"]])
async def test_an_allow_list_echoes_its_origins_only(cors: Any) -> None:
    response = await serve(sse_response([], cors=cors), headers={"Origin": "https://app.example"})
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    assert response.headers["vary"] == "Origin"
    for headers in ({"Origin": "https://evil.example"}, {}):
        response = await serve(sse_response([], cors=cors), headers=headers)
        assert "access-control-allow-origin" not in response.headers
        assert response.headers["vary"] == "Origin"


async def test_vary_is_joined_with_the_callers() -> None:
    response = await serve(sse_response([], cors="https://app.example", headers={"Vary": "Cookie, origin"}))
    assert response.headers.get_list("vary") == ["Cookie, origin"]
    response = await serve(sse_response([], cors="https://app.example", headers={"Vary": "Cookie"}))
    assert response.headers.get_list("vary") == ["Cookie, Origin"]


async def test_a_preflight_is_answered_and_starts_nothing() -> None:
    started = False

    async def source() -> AsyncIterator[str]:
        nonlocal started
        started = True
        yield "a"

    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    response = await serve(sse_response(source()), "OPTIONS", headers=asks)
    assert (response.status, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert "GET" in response.headers["access-control-allow-methods"]
    assert "POST" in response.headers["access-control-allow-methods"]
    for name in ("Last-Event-ID", "Content-Type", "Authorization", "X-Idempotency-Key", "X-Trace-Id"):
        assert name in response.headers["access-control-allow-headers"]
    assert not started


async def test_a_preflight_from_elsewhere_allows_nothing() -> None:
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    response = await serve(sse_response([], cors="https://app.example"), "OPTIONS", headers=asks)
    assert response.status == 204
    assert not any(name.startswith("access-control") for name in response.headers)


# --- negotiation -----------------------------------------------------------------------------------------------------

SSE = "text/event-stream; charset=utf-8"
NDJSON = "application/x-ndjson"


@pytest.mark.parametrize(
    ("accept", "path", "content_type"),
    [
        (None, "/", SSE),
        ("", "/", SSE),
        ("*/*", "/", SSE),
        ("text/*", "/", SSE),
        ("text/event-stream", "/", SSE),
        ("TEXT/Event-Stream", "/", SSE),
        ("text/event-stream;charset=utf-8", "/", SSE),
        ("application/x-ndjson", "/", NDJSON),
        ("application/jsonl", "/", "application/jsonl"),
        ("application/json", "/", NDJSON),
        ("application/*", "/", NDJSON),
        ("application/json, text/plain, */*", "/", NDJSON),
        ("text/event-stream;q=0.1, application/x-ndjson", "/", NDJSON),
        ("text/event-stream, application/x-ndjson;q=0.9", "/", SSE),
        ("application/x-ndjson;q=0.5, text/event-stream;q=0.501", "/", SSE),
        ("application/x-ndjson, text/event-stream", "/", NDJSON),
        ("text/event-stream, application/x-ndjson", "/", SSE),
        ("application/x-ndjson, text/event-stream", "/chat/sse", SSE),
        ("application/x-ndjson, text/event-stream", "/events/7", SSE),
        ("application/x-ndjson, text/event-stream;q=0.2", "/events", NDJSON),
        ("application/x-ndjson, text/event-stream", "/assets", NDJSON),
        ("*/*", "/events", SSE),
        ("*/*;q=0.1, application/x-ndjson;q=0", "/", SSE),
        ("*/*, text/event-stream;q=0", "/", NDJSON),
        ("text/event-stream;q=0, application/*;q=0.3", "/", NDJSON),
        ("text/event-stream;q=nonsense, application/jsonl;q=0.1", "/", "application/jsonl"),
        ("text/event-stream;q=1.5, application/jsonl;q=0.1", "/", SSE),
        ("application/jsonl;q=0.001", "/", "application/jsonl"),
    ],
)
async def test_the_accept_header_decides(accept: str | None, path: str, content_type: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await stream_response(scope, ["a"])(scope, receive, send)

    response = await serve(app, "GET", path, headers={} if accept is None else {"Accept": accept})
    assert response.status == 200
    assert response.headers["content-type"] == content_type
    assert response.headers["vary"] == "Accept"
    assert response.content.startswith(b"event:" if content_type == SSE else b"{")


@pytest.mark.parametrize("accept", ["text/html", "text/event-stream;q=0", "image/*, text/plain", "*/*;q=0"])
async def test_nothing_acceptable_is_406_and_starts_nothing(accept: str) -> None:
    started = False
    summaries: list[Any] = []

    async def source() -> AsyncIterator[str]:
        nonlocal started
        started = True
        yield "a"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await stream_response(scope, source(), on_end=summaries.append)(scope, receive, send)

    response = await serve(app, headers={"Accept": accept})
    assert response.status == 406
    assert "text/event-stream, application/x-ndjson" in response.json()["error"]["message"]
    assert not started
    assert [summary.reason for summary in summaries] == ["refused"]


async def test_options_of_both_forms_can_be_given() -> None:
    options: dict[str, Any] = {"ids": True, "retry": 5, "flush_interval": 1.0, "timestamp": True, "compact": False}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await stream_response(Request(scope), ["a"], **options)(scope, receive, send)

    sse = await serve(app, headers={"Accept": "text/event-stream"})
    assert sse.text.startswith("id: 1\nevent: text_delta\nretry: 5\n")
    ndjson = await serve(app, headers={"Accept": "application/x-ndjson"})
    assert ndjson.text.startswith('{"text": "a", "timestamp": ')


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ([], b"", None),
        ([(b"last-event-id", b"7")], b"", "7"),
        ([(b"Last-Event-ID", b"7")], b"last_event_id=8", "7"),
        ([], b"last_event_id=8", "8"),
        ([], b"last_event_id=", ""),
        ([], b"a=1&last_event_id=run%20%C3%BC+x&b=2", "run \u00fc x"),
        ([(b"last-event-id", "\u00fc\u6771".encode())], b"", "\u00fc\u6771"),
        ([(b"last-event-id", b"\xff")], b"", "\ufffd"),
    ],
)
def test_the_last_event_id_is_the_header_else_the_query(headers: Any, query: bytes, expected: str | None) -> None:
    scope = {"type": "http", "headers": headers, "query_string": query}
    assert last_event_id(scope) == expected
    assert last_event_id(Request(scope)) == expected


# --- compression -----------------------------------------------------------------------------------------------------


@both_framings
async def test_compressed_messages_can_be_read_as_they_come(respond: Respond) -> None:
    go = anyio.Event()

    async def source() -> AsyncIterator[str]:
        yield "first"
        await go.wait()
        yield "second"

    async with (
        ASGIClient(respond(source(), compress=True)) as client,
        client.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as stream,
    ):
        assert stream.headers["content-encoding"] == "gzip"
        assert stream.headers["vary"] == "Accept-Encoding"
        unzip = zlib.decompressobj(31)
        assert b"first" in unzip.decompress(await anext(stream.chunks()))
        go.set()
        rest = await stream.read()
        assert b"second" in unzip.decompress(rest)
        assert unzip.eof


async def test_clients_that_accept_no_compression_get_none() -> None:
    response = await serve(sse_response(["a"], compress=True))
    assert "content-encoding" not in response.headers
    assert b'"text":"a"' in response.content
    response = await serve(sse_response(["a"]), headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in response.headers


# --- frameworks ------------------------------------------------------------------------------------------------------


async def test_it_is_a_return_value_in_a_starlette_route() -> None:
    async def chat(request: Request) -> StreamResponse:
        return sse_response([request.query_params["q"]])

    response = await serve(Starlette(routes=[Route("/chat", chat)]), path="/chat?q=hello")
    assert '{"text":"hello"}' in response.text


async def test_it_is_a_return_value_in_a_fastapi_route() -> None:
    app = FastAPI()

    @app.get("/chat")
    async def chat(q: str) -> Any:
        return ndjson_response([q], headers={"Cache-Control": "private"})

    response = await serve(app, path="/chat?q=hello")
    assert response.text.startswith('{"text":"hello","type":"text_delta"}\n')
    assert response.headers.get_list("cache-control") == ["private"]
    assert (await serve(app, path="/chat")).status == 422
    assert (await serve(app, "POST", path="/chat?q=hello")).status == 405


async def test_background_tasks_run_after_the_response() -> None:
    from starlette.background import BackgroundTask

    order: list[str] = []

    async def source() -> AsyncIterator[str]:
        yield "a"
        order.append("stream")

    async def chat(request: Request) -> StreamResponse:
        return sse_response(source(), background=BackgroundTask(order.append, "background"))

    await serve(Starlette(routes=[Route("/", chat)]))
    assert order == ["stream", "background"]


@both_framings
async def test_the_first_message_passes_gzip_middleware_before_the_second_is_made(respond: Respond) -> None:
    """Acceptance 9."""
    go = anyio.Event()

    async def source() -> AsyncIterator[str]:
        yield "first"
        await go.wait()
        yield "second"

    async def chat(request: Request) -> StreamResponse:
        return respond(source())  # type: ignore[no-any-return]

    app = Starlette(routes=[Route("/", chat)], middleware=[Middleware(GZipMiddleware, minimum_size=0)])
    async with (
        ASGIClient(app) as client,
        client.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as stream,
    ):
        encoded = stream.headers.get("content-encoding") == "gzip"
        unzip = zlib.decompressobj(31)
        got = b""
        chunks = stream.chunks()
        with anyio.fail_after(5):
            while b"first" not in got:
                chunk = await anext(chunks)
                got += unzip.decompress(chunk) if encoded else chunk
        assert b"second" not in got
        go.set()
        rest = await stream.read()
    assert b"second" in (unzip.decompress(rest) if encoded else rest)


@both_framings
async def test_a_disconnect_passes_base_http_middleware(respond: Respond) -> None:
    closed = anyio.Event()

    async def source() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            closed.set()

    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            return await call_next(request)

    async def chat(request: Request) -> StreamResponse:
        return respond(source())  # type: ignore[no-any-return]

    app = Starlette(routes=[Route("/", chat)], middleware=[Middleware(Passing)])
    async with ASGIClient(app) as client, client.stream("GET", "/") as stream:
        await anext(stream.chunks())
        await stream.disconnect()
        with anyio.fail_after(1):
            await closed.wait()
