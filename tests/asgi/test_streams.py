"""Compression, and life inside Starlette, FastAPI and their middleware."""

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

from gai_stream.asgi import StreamResponse, ndjson_response, sse_response
from gai_stream.testing import ASGIClient

pytestmark = pytest.mark.anyio

Respond = Callable[..., Any]
both_framings = pytest.mark.parametrize("respond", [sse_response, ndjson_response])


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


async def test_clients_that_accept_no_compression_get_none(serve: Any) -> None:
    response = await serve(sse_response(["a"], compress=True))
    assert "content-encoding" not in response.headers
    assert b'"text":"a"' in response.content
    response = await serve(sse_response(["a"]), headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in response.headers


async def test_it_is_a_return_value_in_a_starlette_route(serve: Any) -> None:
    async def chat(request: Request) -> StreamResponse:
        return sse_response([request.query_params["q"]])

    response = await serve(Starlette(routes=[Route("/chat", chat)]), path="/chat?q=hello")
    assert '{"text":"hello"}' in response.text


async def test_it_is_a_return_value_in_a_fastapi_route(serve: Any) -> None:
    app = FastAPI()

    @app.get("/chat")
    async def chat(q: str) -> Any:
        return ndjson_response([q], headers={"Cache-Control": "private"})

    response = await serve(app, path="/chat?q=hello")
    assert response.text.startswith('{"text":"hello","type":"text_delta"}\n')
    assert response.headers.get_list("cache-control") == ["private"]
    assert (await serve(app, path="/chat")).status == 422
    assert (await serve(app, "POST", path="/chat?q=hello")).status == 405


async def test_background_tasks_run_after_the_response(serve: Any) -> None:
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
