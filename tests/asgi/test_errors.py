"""The first-byte gate: a failure before it gets a real status, a JSON body and no secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import sleep as virtual_sleep

from gai_stream.asgi import StreamResponse, framed_response, ndjson_response, sse_response
from gai_stream.dialects.gemini import GeminiEncoder, JSONArrayEncoder
from gai_stream.events import Failure
from gai_stream.exceptions import DecodeError, ProviderError, StreamTimeout, TruncatedStream
from gai_stream.testing import ASGIClient, failing_source

pytestmark = pytest.mark.anyio

Respond = Callable[..., Any]

virtual_clock = pytest.mark.parametrize("anyio_backend", ["trio-clock"], indirect=True)
both_framings = pytest.mark.parametrize("respond", [sse_response, ndjson_response])


@both_framings
@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (ProviderError("unauthorized", "no key"), 401, "unauthorized", None),
        (ProviderError("rate_limited", "slow down", retry_after=7.2), 429, "rate_limited", "8"),
        (ProviderError("overloaded", "busy"), 503, "overloaded", "10"),
        (ProviderError("internal", "teapot", 529), 529, "internal", None),
        (ProviderError("odd", "odd", 200), 502, "odd", None),
        (StreamTimeout("x"), 504, "timeout", None),
        (TimeoutError("x"), 504, "timeout", None),
        (TruncatedStream("x"), 502, "truncated", None),
        (DecodeError("x"), 502, "invalid_response", None),
        (RuntimeError("secret"), 500, "internal", None),
        (ExceptionGroup("g", [ProviderError("forbidden", "no")]), 403, "forbidden", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_a_failure_before_the_first_byte_gets_a_real_status(
    serve: Any, respond: Respond, error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    response = await serve(respond(failing_source([], error)))
    assert response.status == status
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers.get("retry-after") == retry_after
    assert response.headers["content-length"] == str(len(response.content))
    assert response.json()["error"]["code"] == code
    assert "secret" not in response.text


async def test_an_unknown_failure_is_masked_and_logged_under_the_reference(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "gai_stream"):
        response = await serve(sse_response(failing_source([], RuntimeError("secret"))))
    message = response.json()["error"]["message"]
    reference = message.partition("reference ")[2].rstrip(")")
    assert len(reference) == 12
    assert reference in caplog.text
    assert "secret" in caplog.text


async def test_an_http_exception_keeps_its_status_words_and_headers(serve: Any) -> None:
    from starlette.exceptions import HTTPException

    error = HTTPException(418, "short and stout", {"X-Pot": "tea"})
    response = await serve(sse_response(failing_source([], error)))
    assert (response.status, response.headers["x-pot"]) == (418, "tea")
    assert response.json()["error"]["message"] == "short and stout"


async def test_a_dialect_whose_clients_show_the_body_gets_it_as_plain_text(serve: Any) -> None:
    error = ProviderError("rate_limited", "slöw")
    response = await serve(sse_response(failing_source([], error), encoder="vercel"))
    assert (response.status, response.text) == (429, "slöw")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_an_sdks_error_keeps_its_status_but_not_its_words(serve: Any) -> None:
    import httpx2
    import openai

    request = httpx2.Request("POST", "http://localhost/v1")
    answer = httpx2.Response(429, headers={"retry-after": "21"}, request=request)
    error = openai.RateLimitError("key sk-secret is over its limit", response=answer, body=None)
    response = await serve(sse_response(failing_source([], error)))
    assert (response.status, response.headers["retry-after"]) == (429, "21")
    assert response.json()["error"]["code"] == "rate_limited"
    assert "sk-secret" not in response.text


async def test_a_failure_event_before_anything_else_gets_a_real_status_too(serve: Any) -> None:
    response = await serve(sse_response([Failure("rate_limited", "slow down", True, 3)]))
    assert (response.status, response.headers["retry-after"]) == (429, "3")


@virtual_clock
async def test_headers_wait_for_the_first_message(serve: Any) -> None:
    async def source() -> AsyncIterator[str]:
        await virtual_sleep(1.5)
        raise ProviderError("overloaded", "busy")
        yield ""

    assert (await serve(sse_response(source()))).status == 503


@virtual_clock
@pytest.mark.parametrize(
    ("respond", "options", "opened_at", "first"),
    [
        (sse_response, {}, 2, b": keep-alive\n"),
        (ndjson_response, {}, 2, b"\n"),
        (sse_response, {"hold": 5}, 5, b": keep-alive\n"),
        (sse_response, {"hold": 20}, 15, b": keep-alive\n"),
        (sse_response, {"hold": None}, 15, b": keep-alive\n"),
        (sse_response, {"hold": 0}, 0, b""),
        (sse_response, {"heartbeat": None}, 2, b""),
    ],
)
async def test_after_hold_seconds_the_headers_leave_and_later_failures_are_in_band(
    respond: Respond, options: dict[str, Any], opened_at: float, first: bytes
) -> None:
    async def source() -> AsyncIterator[str]:
        await virtual_sleep(17)
        raise ProviderError("overloaded", "busy")
        yield ""

    begin = anyio.current_time()
    async with ASGIClient(respond(source(), **options)) as client, client.stream("GET", "/") as stream:
        body = await stream.read()
    assert stream.status == 200
    assert stream.sent[0].time - begin == pytest.approx(opened_at)
    assert stream.sent[1].message["body"] == first
    assert b"busy" in body
    assert b'{"finished":false' in body


@virtual_clock
async def test_hold_none_without_heartbeats_waits_as_long_as_it_takes(serve: Any) -> None:
    async def source() -> AsyncIterator[str]:
        await virtual_sleep(10_000)
        raise ProviderError("overloaded", "busy")
        yield ""

    assert (await serve(sse_response(source(), hold=None, heartbeat=None))).status == 503


@both_framings
async def test_a_stream_without_output_is_200_with_its_terminal_frame(serve: Any, respond: Respond) -> None:
    response = await serve(respond([]))
    assert response.status == 200
    assert "finished" in response.text
    assert (await serve(respond([], encoder=None))).status == 200


async def test_a_reconnect_with_nothing_left_to_get_is_204(serve: Any) -> None:
    response = await serve(sse_response([]), headers={"Last-Event-ID": "7"})
    assert (response.status, response.content) == (204, b"")
    assert "content-length" not in response.headers
    assert "content-type" not in response.headers
    assert (await serve(sse_response([]), path="/?last_event_id=7")).status == 204
    assert (await serve(sse_response(["more"]), headers={"Last-Event-ID": "7"})).status == 200


async def test_text_that_waits_for_the_flush_interval_is_output_too(serve: Any) -> None:
    """Its response has begun, though nothing has left yet."""
    options: dict[str, Any] = {"encoder": None, "flush_interval": 60.0}
    response = await serve(sse_response(["a"], **options), headers={"Last-Event-ID": "7"})
    assert (response.status, response.content) == (200, b"data: a\n\n")
    response = await serve(sse_response(failing_source(["a"], KeyError("x")), **options))
    assert response.status == 200
    assert response.content.startswith(b"data: a\n\nevent: error\n")


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_that_has_no_body_gets_none(serve: Any, status: int) -> None:
    from starlette.exceptions import HTTPException

    response = await serve(sse_response(failing_source([], HTTPException(status))))
    assert (response.status, response.content) == (status, b"")
    assert "content-length" not in response.headers


@virtual_clock
@pytest.mark.parametrize("attempt", range(8))
async def test_a_failure_at_the_very_moment_of_the_first_heartbeat_is_one_or_the_other(
    serve: Any, attempt: int
) -> None:
    async def source() -> AsyncIterator[str]:
        await virtual_sleep(2)
        raise ProviderError("overloaded", "busy")
        yield ""

    response = await serve(sse_response(source(), hold=2))
    assert response.status in (200, 503)
    assert "busy" in response.text


def array_response(stream: Any, **options: Any) -> StreamResponse:
    return framed_response(stream, JSONArrayEncoder(), encoder=GeminiEncoder(framing="ndjson"), **options)


async def test_a_framing_that_has_an_end_does_not_send_it_in_the_place_of_a_status(serve: Any) -> None:
    async def source() -> AsyncIterator[str]:
        raise ProviderError("rate_limited", "slow down")
        yield ""

    response = await serve(array_response(source()))
    assert response.status == 429
    assert json.loads(response.content)["error"]["message"] == "slow down"
    # Nor behind a reconnect that nothing is left for.
    response = await serve(array_response([]), headers={"Last-Event-ID": "7"})
    assert (response.status, response.content) == (204, b"")
    assert json.loads((await serve(array_response([]))).content)[-1]["candidates"][0]["finishReason"] == "STOP"


@virtual_clock
async def test_a_framing_of_ones_own_keeps_its_heartbeat() -> None:
    async def source() -> AsyncIterator[str]:
        yield "a"
        await virtual_sleep(100)
        yield "b"

    for heartbeat in (b"", b" "):
        framing = JSONArrayEncoder()
        framing.heartbeat = heartbeat
        app = framed_response(source(), framing, encoder=GeminiEncoder(framing="ndjson"), heartbeat=15)
        async with ASGIClient(app) as client, client.stream("GET", "/") as stream:
            body = await stream.read()
        assert b"\r\n" not in body.replace(b"\n,\r\n", b"")
        assert len([chunk for chunk in stream.sent if chunk.message.get("body") == heartbeat]) >= 6
        assert [piece["candidates"][0]["content"]["parts"][0]["text"] for piece in json.loads(body)[:2]] == ["a", "b"]
