"""Response headers, and CORS with its preflight."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gai_stream.asgi import ndjson_response, sse_response

pytestmark = pytest.mark.anyio

Respond = Callable[..., Any]
both_framings = pytest.mark.parametrize("respond", [sse_response, ndjson_response])


async def test_sse_headers_are_the_documented_ones(serve: Any) -> None:
    response = await serve(sse_response([]))
    assert dict(response.headers) == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache, no-store, must-revalidate, no-transform",
        "connection": "keep-alive",
        "x-accel-buffering": "no",
        "access-control-allow-origin": "*",
    }


async def test_ndjson_headers_are_the_documented_ones(serve: Any) -> None:
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
async def test_no_connection_header_beyond_http_1(serve: Any, respond: Respond, http_version: str) -> None:
    """Acceptance 15; hypercorn shows it on a real HTTP/2 connection."""
    response = await serve(respond([]), http_version=http_version)
    assert "connection" not in response.headers
    assert "transfer-encoding" not in response.headers


@both_framings
async def test_the_callers_headers_win_and_are_never_doubled(serve: Any, respond: Respond) -> None:
    headers = {"Cache-Control": "private", "X-Own": "1", "Content-Type": "text/x-own"}
    response = await serve(respond([], headers=headers, status=201))
    assert response.status == 201
    assert response.headers.get_list("cache-control") == ["private"]
    assert response.headers.get_list("content-type") == ["text/x-own"]
    assert response.headers["x-own"] == "1"


async def test_headers_added_later_win_too(serve: Any) -> None:
    response = sse_response([])
    response.headers["X-Later"] = "1"
    response.headers.append("cache-control", "private")
    response.set_cookie("session", "7")
    got = await serve(response)
    assert got.headers["x-later"] == "1"
    assert got.headers.get_list("cache-control") == ["private"]
    assert got.headers["set-cookie"].startswith("session=7")


@both_framings
async def test_cors_is_for_everyone_by_default_and_can_be_none(serve: Any, respond: Respond) -> None:
    origin = {"Origin": "https://app.example"}
    response = await serve(respond([]), headers=origin)
    assert response.headers["access-control-allow-origin"] == "*"
    response = await serve(respond([], cors=None), headers=origin)
    assert "access-control-allow-origin" not in response.headers
    assert "vary" not in response.headers


@pytest.mark.parametrize("cors", ["https://app.example", ["https://other.example", "https://app.example"]])
async def test_an_allow_list_echoes_its_origins_only(serve: Any, cors: Any) -> None:
    response = await serve(sse_response([], cors=cors), headers={"Origin": "https://app.example"})
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    assert response.headers["vary"] == "Origin"
    for headers in ({"Origin": "https://evil.example"}, {}):
        response = await serve(sse_response([], cors=cors), headers=headers)
        assert "access-control-allow-origin" not in response.headers
        assert response.headers["vary"] == "Origin"


async def test_vary_is_joined_with_the_callers(serve: Any) -> None:
    response = await serve(sse_response([], cors="https://app.example", headers={"Vary": "Cookie, origin"}))
    assert response.headers.get_list("vary") == ["Cookie, origin"]
    response = await serve(sse_response([], cors="https://app.example", headers={"Vary": "Cookie"}))
    assert response.headers.get_list("vary") == ["Cookie, Origin"]


async def test_a_preflight_is_answered_and_starts_nothing(serve: Any) -> None:
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


async def test_a_preflight_from_elsewhere_allows_nothing(serve: Any) -> None:
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    response = await serve(sse_response([], cors="https://app.example"), "OPTIONS", headers=asks)
    assert response.status == 204
    assert not any(name.startswith("access-control") for name in response.headers)
