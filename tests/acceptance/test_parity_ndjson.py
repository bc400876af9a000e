"""What the original's ndjson_test.go and its NDJSON examples show, line by line, with assertions that can fail."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from anyio import sleep as virtual_sleep
from starlette.requests import Request

from gai_stream import (
    Failure,
    Finish,
    NDJSONEncoder,
    Reader,
    Start,
    TextDelta,
    ToolCall,
    Usage,
    Writer,
    ndjson_response,
    stream_to_channel,
)
from gai_stream.asgi import ndjson_handler
from gai_stream.dialects.gai import GaiDecoder
from gai_stream.events import Done
from gai_stream.providers import ChatRequest, ScriptedProvider
from gai_stream.testing import ASGIClient

pytestmark = pytest.mark.anyio

virtual_clock = pytest.mark.parametrize("anyio_backend", ["trio-clock"], indirect=True)
USAGE = Usage(5, 7, 12)
DONE = b'{"finished":true,"type":"done"}\n'


async def body_of(stream: Any, **options: Any) -> bytes:
    """The bytes that a client gets."""
    async with ASGIClient(ndjson_response(stream, **options)) as client:
        return (await client.get("/")).content


def lines_of(body: bytes) -> list[Any]:
    """Read as the plainest client does: a JSON value on every line, and each line ended."""
    *lines, rest = body.split(b"\n")
    assert rest == b""
    return [json.loads(line) for line in lines]


async def ask(request: Request) -> ChatRequest:
    return ChatRequest.from_text((await request.json())["query"])


async def test_the_headers_are_there() -> None:
    """TestNDJSONHeaders: six, of which Transfer-Encoding is the server's (`test_servers.py` sees it on the wire)."""
    async with ASGIClient(ndjson_response(["a"])) as client:
        answer = await client.get("/")
    assert dict(answer.headers) == {
        "content-type": "application/x-ndjson",
        "cache-control": "no-cache, no-store, must-revalidate, no-transform",
        "connection": "keep-alive",
        "x-accel-buffering": "no",
        "access-control-allow-origin": "*",
    }


@pytest.mark.parametrize(
    ("event", "line"),
    [
        pytest.param(TextDelta("Hello"), b'{"text":"Hello","type":"text_delta"}\n', id="text"),
        pytest.param(
            ToolCall("c1", "calc", {"x": 1}),
            b'{"tool_call":{"id":"c1","input":{"x":1},"name":"calc"},"type":"tool_call"}\n',
            id="tool_call",
        ),
        pytest.param(
            Finish("stop", USAGE),
            b'{"finished":true,"type":"finish","usage":{"input_tokens":5,"output_tokens":7,"total_tokens":12}}\n',
            id="finish",
        ),
    ],
)
async def test_each_event_is_one_line(event: Any, line: bytes) -> None:
    """TestNDJSONLineFormat."""
    assert await body_of([event]) == line + DONE


async def test_an_error_is_one_line() -> None:
    """TestNDJSONLineFormat, the error. Before any other event it is an HTTP status; here it comes behind one."""
    assert await body_of(["a", Failure("internal", "test error")]) == (
        b'{"text":"a","type":"text_delta"}\n{"error":"test error","type":"error"}\n{"finished":false,"type":"done"}\n'
    )


async def test_five_events_are_five_lines_and_done_is_the_last() -> None:
    """TestNDJSONMultipleEvents."""
    values = lines_of(await body_of([Start("m"), "Hello", " World", Finish("stop", USAGE)]))
    assert [value["type"] for value in values] == ["start", "text_delta", "text_delta", "finish", "done"]
    assert values[1]["text"] + values[2]["text"] == "Hello World"


async def test_a_timestamp_is_the_time_in_whole_seconds() -> None:
    """TestNDJSONWithTimestamp."""
    before = int(time.time())
    values = lines_of(await body_of(["a"], timestamp=True))
    assert len(values) == 2
    for value in values:
        assert type(value["timestamp"]) is int
        assert before <= value["timestamp"] <= time.time()


async def test_a_handler_answers_with_200_and_the_stream() -> None:
    """TestNDJSONHandler."""
    provider = ScriptedProvider(events=[TextDelta("Test"), Finish("stop")], pace=0)
    async with ASGIClient(ndjson_handler(provider, ask)) as client:
        answer = await client.post("/", json={"query": "hi"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [value["type"] for value in lines_of(answer.content)] == ["text_delta", "finish", "done"]


@pytest.mark.parametrize(
    "text", ["Line 1\nLine 2\r\nLine 3", '{"nested": "json"}\n', "emoji 🎉 ümläut", "\u2028\x85\x0c"]
)
@pytest.mark.parametrize("compact", [True, False])
async def test_whatever_a_text_holds_it_stays_one_line(text: str, compact: bool) -> None:
    """TestNDJSONLineIntegrity."""
    body = await body_of([text], compact=compact)
    first, _ = lines_of(body)
    assert first == {"text": text, "type": "text_delta"}
    # Python's clients split where str.splitlines does.
    assert len(body.decode().splitlines()) == 2


async def test_twenty_producers_write_twenty_whole_lines() -> None:
    """TestNDJSONConcurrentWrites: 20 and `done`."""
    send, receive = anyio.create_memory_object_stream[str](0)

    async def produce(channel: Any, number: int) -> None:
        with channel:
            await channel.send(f"Message {number}")

    async with anyio.create_task_group() as tasks:
        with send:
            for number in range(20):
                tasks.start_soon(produce, send.clone(), number)
        values = lines_of(await body_of(receive))
    assert sorted(value["text"] for value in values[:-1]) == sorted(f"Message {number}" for number in range(20))
    assert values[-1]["type"] == "done"


async def test_a_reader_reads_four_objects_and_then_the_end() -> None:
    """TestNDJSONReader."""
    reader = Reader(
        [b'{"type":"start"}\n{"type":"text_delta","text":"Hel', b'lo"}\n{"type":"finish"}\n{"type":"done"}']
    )
    assert [await anext(reader) for _ in range(4)] == [
        {"type": "start"},
        {"type": "text_delta", "text": "Hello"},
        {"type": "finish"},
        {"type": "done"},
    ]
    with pytest.raises(StopAsyncIteration):
        await anext(reader)


async def test_a_stream_becomes_a_channel_of_events() -> None:
    """TestStreamToChannel."""
    body = await body_of([Start("m"), "Hello", Finish("stop", USAGE)])
    send, receive = anyio.create_memory_object_stream[Any](0)
    decoder = GaiDecoder()
    events = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream_to_channel, Reader([body]), send)
        async with receive:
            async for value in receive:
                events += decoder.feed(value)
    assert events == [Start("m"), TextDelta("Hello"), Finish("stop", USAGE), Done()]


async def test_a_writer_writes_three_objects_on_three_lines() -> None:
    """TestNDJSONWriter."""
    sent: list[bytes] = []

    async def send(chunk: bytes) -> None:
        sent.append(chunk)

    async with Writer(send, NDJSONEncoder()) as writer:
        for number in range(3):
            await writer.write({"id": number})
    assert b"".join(sent) == b'{"id":0}\n{"id":1}\n{"id":2}\n'


@virtual_clock
async def test_a_periodic_flush_sends_the_first_line_at_once_and_no_line_later_than_its_interval() -> None:
    """TestNDJSONPeriodicFlush: 50 ms."""

    async def paced() -> AsyncIterator[str]:
        for number in range(10):
            yield str(number)
            await virtual_sleep(0.02)

    client = ASGIClient(ndjson_response(paced(), flush_interval=0.05))
    began = anyio.current_time()
    async with client, client.stream("GET", "/") as answer:
        body = await answer.read()
    assert [value.get("text") for value in lines_of(body)] == [*map(str, range(10)), None]
    sends = [(sent.time - began, sent.message["body"]) for sent in answer.sent if sent.message.get("body")]
    assert sends[0][0] == 0
    assert json.loads(sends[0][1])["text"] == "0"
    assert len(sends) < 8, "the lines between are sent together"
    for at, chunk in sends:
        for value in lines_of(chunk):
            if "text" in value:
                assert at - 0.02 * int(value["text"]) <= 0.05 + 1e-9


async def test_the_ndjson_example_reads_as_documented() -> None:
    """Example_nDJSON, whose expected output the original itself does not match."""
    provider = ScriptedProvider(events=[Start("m"), TextDelta("Hello"), TextDelta(" world"), Finish("stop")], pace=0)
    async with ASGIClient(ndjson_handler(provider, ask)) as client:
        answer = await client.post("/api/chat", json={"query": "hi"})
    assert answer.text == (
        '{"model":"m","started":true,"type":"start"}\n'
        '{"text":"Hello","type":"text_delta"}\n'
        '{"text":" world","type":"text_delta"}\n'
        '{"finished":true,"type":"finish","usage":null}\n'
        '{"finished":true,"type":"done"}\n'
    )


@virtual_clock
async def test_every_ndjson_option_has_its_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """customNDJSONOptions: 16384 bytes, 50 ms, CompactJSON false for reading along, timestamps."""
    monkeypatch.setattr("gai_stream.ndjson.encoder.time", lambda: 1705311000.9)
    client = ASGIClient(ndjson_response(["a", "b"], flush_interval=0.05, compact=False, timestamp=True))
    async with client:
        answer = await client.get("/")
    assert answer.text == (
        '{"text": "a", "timestamp": 1705311000, "type": "text_delta"}\n'
        '{"text": "b", "timestamp": 1705311000, "type": "text_delta"}\n'
        '{"finished": true, "timestamp": 1705311000, "type": "done"}\n'
    )


async def test_the_buffer_size_is_where_a_writer_starts_to_wait() -> None:
    """customNDJSONOptions, BufferSize 16384."""
    gate = anyio.Event()
    written = 0

    async def stuck(chunk: bytes) -> None:
        await gate.wait()

    async def write() -> None:
        nonlocal written
        async with Writer(stuck, NDJSONEncoder(), flush_size=16384) as writer:
            for _ in range(40):
                await writer.write("x" * 997)
                written += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        assert written == 16
        gate.set()
    assert written == 40
