"""The Accept header, the last event ID, and stream_response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.requests import Request

from gai_stream.asgi import last_event_id, ndjson_response, sse_response, stream_response

pytestmark = pytest.mark.anyio

Respond = Callable[..., Any]
both_framings = pytest.mark.parametrize("respond", [sse_response, ndjson_response])


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
async def test_the_accept_header_decides(serve: Any, accept: str | None, path: str, content_type: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await stream_response(scope, ["a"])(scope, receive, send)

    response = await serve(app, "GET", path, headers={} if accept is None else {"Accept": accept})
    assert response.status == 200
    assert response.headers["content-type"] == content_type
    assert response.headers["vary"] == "Accept"
    assert response.content.startswith(b"event:" if content_type == SSE else b"{")


@pytest.mark.parametrize("accept", ["text/html", "text/event-stream;q=0", "image/*, text/plain", "*/*;q=0"])
async def test_nothing_acceptable_is_406_and_starts_nothing(serve: Any, accept: str) -> None:
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


async def test_options_of_both_forms_can_be_given(serve: Any) -> None:
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
        ([], "last_event_id=\u00fc".encode(), "\u00fc"),
        ([(b"last-event-id", "\u00fc\u6771".encode())], b"", "\u00fc\u6771"),
        ([(b"last-event-id", b"\xff")], b"", "\ufffd"),
    ],
)
def test_the_last_event_id_is_the_header_else_the_query(headers: Any, query: bytes, expected: str | None) -> None:
    scope = {"type": "http", "headers": headers, "query_string": query}
    assert last_event_id(scope) == expected
    assert last_event_id(Request(scope)) == expected
