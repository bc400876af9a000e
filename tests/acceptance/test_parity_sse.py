"""What the original's sse_test.go and its SSE examples show, line by line, with assertions that can fail."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import anyio
import pytest
from anyio import sleep as virtual_sleep
from starlette.requests import Request

from gai_stream import Failure, Finish, Start, TextDelta, ToolCall, Usage, Writer, sse_response
from gai_stream.asgi import sse_handler
from gai_stream.exceptions import EncodeError, ProviderError
from gai_stream.providers import ChatRequest, ScriptedProvider
from gai_stream.sse import ServerSentEvent, SSEEncoder
from gai_stream.testing import ASGIClient

pytestmark = pytest.mark.anyio

virtual_clock = pytest.mark.parametrize("anyio_backend", ["trio-clock"], indirect=True)
USAGE = Usage(5, 7, 12)


async def body_of(stream: Any, **options: Any) -> bytes:
    """The bytes that a client gets."""
    async with ASGIClient(sse_response(stream, **options)) as client:
        return (await client.get("/")).content


def as_a_browser_reads_it(body: bytes) -> list[dict[str, str]]:
    """Read as WHATWG 9.2.6 says, in the plainest way: written for this test, so that nothing of ours judges ours."""
    events = []
    fields: dict[str, str] = {}
    for line in body.decode().split("\n"):
        if not line:
            if "data" in fields:
                events.append({"event": "message", **fields, "data": fields["data"].removesuffix("\n")})
            fields = {}
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            fields["data"] = fields.get("data", "") + value + "\n"
        elif name in ("event", "id"):
            fields[name] = value
    return events


async def ask(request: Request) -> ChatRequest:
    question = request.query_params.get("q", "")
    if not question:
        raise ValueError("q must not be empty")
    return ChatRequest.from_text(question)


async def test_the_five_headers_are_there() -> None:
    """TestSSEHeaders. `no-transform` is ours: proxies may not compress, and so hold back, what has it."""
    async with ASGIClient(sse_response(["a"])) as client:
        answer = await client.get("/")
    assert dict(answer.headers) == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache, no-store, must-revalidate, no-transform",
        "connection": "keep-alive",
        "x-accel-buffering": "no",
        "access-control-allow-origin": "*",
    }


@pytest.mark.parametrize(
    ("event", "block"),
    [
        pytest.param(TextDelta("Hello"), 'event: text_delta\ndata: {"text":"Hello"}\n\n', id="text_delta"),
        pytest.param(
            ToolCall("c1", "calc", {"x": 1}),
            'event: tool_call\ndata: {"input":{"x":1},"tool_id":"c1","tool_name":"calc"}\n\n',
            id="tool_call",
        ),
        pytest.param(
            Finish("stop", USAGE),
            'event: finish\ndata: {"usage":{"input_tokens":5,"output_tokens":7,"total_tokens":12}}\n\n',
            id="finish",
        ),
    ],
)
async def test_each_event_has_its_name_and_data(event: Any, block: str) -> None:
    """TestSSEEventFormatting; the original looked at `done` only."""
    assert await body_of([event]) == block.encode() + b'event: done\ndata: {"finished":true}\n\n'


async def test_an_error_event_has_its_name_its_retry_hint_and_its_data() -> None:
    """TestSSEEventFormatting, the error. Before any other event it is an HTTP status; here it comes behind one."""
    assert await body_of([TextDelta("a"), Failure("internal", "test error")]) == (
        b'event: text_delta\ndata: {"text":"a"}\n\n'
        b'event: error\nretry: 5000\ndata: {"error":"test error"}\n\n'
        b'event: done\ndata: {"finished":false}\n\n'
    )


@virtual_clock
async def test_a_silent_stream_has_heartbeats() -> None:
    """TestSSEHeartbeat: 50 ms apart for 200 ms, on a clock that is not racy."""

    async def silent() -> AsyncIterator[str]:
        yield "a"
        await virtual_sleep(0.22)
        yield "b"

    body = await body_of(silent(), heartbeat=0.05)
    assert body.count(b": keep-alive\n") == 4
    first, _, rest = body.partition(b": keep-alive\n" * 4)
    assert b'"a"' in first
    assert b'"b"' in rest


async def test_events_come_in_order_and_done_comes_once_and_last() -> None:
    """TestSSEMultipleEvents."""
    events = as_a_browser_reads_it(
        await body_of([Start("m"), TextDelta("Hello"), TextDelta(" World"), Finish("stop", USAGE)])
    )
    assert [event["event"] for event in events] == ["start", "text_delta", "text_delta", "finish", "done"]
    assert [json.loads(event["data"]).get("text") for event in events[1:3]] == ["Hello", " World"]


async def test_events_are_numbered_on_request() -> None:
    """TestSSEWithEventID: 1 to 3, the last of them `done`."""
    events = as_a_browser_reads_it(await body_of(["a", "b"], ids=True))
    assert [(event["event"], event["id"]) for event in events] == [
        ("text_delta", "1"),
        ("text_delta", "2"),
        ("done", "3"),
    ]


async def test_a_handler_answers_with_200_and_the_stream() -> None:
    """TestSSEHandler."""
    provider = ScriptedProvider(events=[TextDelta("Test response"), Finish("stop")], pace=0)
    async with ASGIClient(sse_handler(provider, ask)) as client:
        answer = await client.get("/?q=hi")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert b'event: text_delta\ndata: {"text":"Test response"}\n\n' in answer.content


async def test_a_handler_answers_a_bad_request_with_400() -> None:
    """TestSSEHandlerError, prepare."""
    async with ASGIClient(sse_handler(ScriptedProvider(pace=0), ask)) as client:
        answer = await client.get("/")
    assert answer.status == 400
    assert answer.json()["error"]["message"] == "q must not be empty"


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("boom"), 500), (ProviderError("unauthorized", "no such key"), 401)]
)
async def test_a_handler_answers_a_failing_provider_with_its_status(error: Exception, status: int) -> None:
    """TestSSEHandlerError, provider: 500; but a provider that says what is wrong is believed."""
    provider = ScriptedProvider(fail_after=0, error=error, pace=0)
    async with ASGIClient(sse_handler(provider, ask)) as client:
        answer = await client.get("/?q=hi")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"


async def test_ten_producers_write_ten_whole_events() -> None:
    """TestSSEConcurrentWrites."""
    send, receive = anyio.create_memory_object_stream[str](0)

    async def produce(channel: Any, number: int) -> None:
        with channel:
            await channel.send(f"Message {number}")

    async with anyio.create_task_group() as tasks:
        with send:
            for number in range(10):
                tasks.start_soon(produce, send.clone(), number)
        events = as_a_browser_reads_it(await body_of(receive))
    texts = [json.loads(event["data"])["text"] for event in events[:-1]]
    assert sorted(texts) == [f"Message {number}" for number in range(10)]
    assert events[-1]["event"] == "done"


async def test_what_a_browser_reads_is_json_in_named_events() -> None:
    """TestSSEBrowserCompatibility, with text that could break a line."""
    text = 'Hello, browser!\n"quotes" \u2028 \x85 <b>🌍</b>\r\n'
    body = await body_of([Start("m"), TextDelta(text), Finish("stop", USAGE)])
    events = as_a_browser_reads_it(body)
    assert all(isinstance(json.loads(event["data"]), dict) for event in events)
    assert json.loads(events[1]["data"]) == {"text": text}
    # Some clients split lines where str.splitlines does, though the standard does not.
    assert as_a_browser_reads_it("\n".join(body.decode().splitlines()).encode() + b"\n") == events


async def test_a_writer_writes_events_data_and_comments() -> None:
    """TestSSEWriter."""
    sent: list[bytes] = []

    async def send(chunk: bytes) -> None:
        sent.append(chunk)

    async with Writer(send) as writer:
        await writer.write(ServerSentEvent('{"message":"test"}', event="test"))
        await writer.comment("keep-alive")
        await writer.write({"no": "name"})
    assert b"".join(sent) == b'event: test\ndata: {"message":"test"}\n\n: keep-alive\ndata: {"no":"name"}\n\n'


async def test_the_sse_example_reads_as_documented() -> None:
    """Example_sSE, whose expected output the original itself does not match."""
    provider = ScriptedProvider(events=[Start("m"), TextDelta("Hello"), TextDelta(" world"), Finish("stop")], pace=0)
    async with ASGIClient(sse_handler(provider, ask)) as client:
        answer = await client.get("/chat?q=hi")
    assert answer.text == (
        'event: start\ndata: {"model":"m","started":true}\n\n'
        'event: text_delta\ndata: {"text":"Hello"}\n\n'
        'event: text_delta\ndata: {"text":" world"}\n\n'
        'event: finish\ndata: {"usage":null}\n\n'
        'event: done\ndata: {"finished":true}\n\n'
    )


@virtual_clock
async def test_every_sse_option_has_its_effect() -> None:
    """customSSEOptions: 30 s, 5 retries, 8192 bytes, ids. What was a number of retries is now the time between them."""

    async def silent() -> AsyncIterator[str]:
        yield "a"
        await virtual_sleep(70)

    body = await body_of(silent(), heartbeat=30.0, retry=2500, ids=True)
    assert body == (
        b'id: 1\nevent: text_delta\nretry: 2500\ndata: {"text":"a"}\n\n'
        b": keep-alive\n: keep-alive\n"
        b'id: 2\nevent: done\ndata: {"finished":true}\n\n'
    )
    with pytest.raises(EncodeError, match="retry must be 0 ms or more"):
        sse_response([], retry=-1)


async def test_the_buffer_size_is_where_a_writer_starts_to_wait() -> None:
    """customSSEOptions, BufferSize 8192, which the original ignored."""
    gate = anyio.Event()
    written = 0

    async def stuck(chunk: bytes) -> None:
        await gate.wait()

    async def write() -> None:
        nonlocal written
        async with Writer(stuck, SSEEncoder(ids=count(1)), flush_size=8192) as writer:
            for _ in range(20):
                await writer.write("x" * 1000)
                written += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        assert written == 8
        gate.set()
    assert written == 20
