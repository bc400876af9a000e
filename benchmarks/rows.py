"""What is measured: one function for each row of the original's table, and what each does here and did there.

A row's `open` gives a function `run(times)` that does the row's work that many times and returns the last result. Where
the work ends in a transport, `open(take)` hands `take` every chunk that would leave, so that a test sees what is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.server import Client, serving
from gai_stream import _json, ndjson_response, sse_response
from gai_stream.dialects import gai_v1
from gai_stream.events import TextDelta
from gai_stream.ndjson import NDJSONEncoder
from gai_stream.reader import Reader
from gai_stream.source import Lift
from gai_stream.sse import ServerSentEvent, SSEEncoder
from gai_stream.writer import Writer

__all__ = ["ROWS", "VARIANTS", "Row", "unit"]

Run = Callable[[int], Any]
Take = Callable[[bytes], object]


@dataclass(frozen=True)
class Row:
    """One row: `original` is what the original took, in units; `repeats` fills one slice of some ms.

    `waits` is for work that another process has a part in: it is measured by the clock on the wall, all else in CPU time.
    """

    key: str
    name: str
    original: float
    repeats: int
    open: Callable[..., AbstractContextManager[Run]]
    there: str
    here: str
    waits: bool = False


def unit(times: int) -> None:
    """Do what everything is measured in, `times` times: write one small dict as JSON, in a tight loop."""
    dumps = orjson.dumps
    value = {"type": "text", "content": "benchmark"}
    for _ in range(times):
        dumps(value)


def _drop(chunk: bytes) -> None:
    pass


@contextmanager
def _in_a_loop(work: Callable[[int], Coroutine[Any, Any, Any]]) -> Iterator[Run]:
    """Give a function that awaits `work(times)` in an event loop that lives as long as the row."""
    with asyncio.Runner() as runner:
        yield lambda times: runner.run(work(times))


def sse_writer(take: Take = _drop) -> AbstractContextManager[Run]:
    """Write data through one open Writer."""

    async def send(chunk: bytes) -> None:
        take(chunk)

    async def work(times: int) -> None:
        async with Writer(send, SSEEncoder()) as writer:
            for _ in range(times):
                await writer.write('{"text":"benchmark"}')

    return _in_a_loop(work)


def sse_writer_named(take: Take = _drop) -> AbstractContextManager[Run]:
    """Write messages with a name and data through one open Writer."""

    async def send(chunk: bytes) -> None:
        take(chunk)

    async def work(times: int) -> None:
        async with Writer(send, SSEEncoder()) as writer:
            for _ in range(times):
                await writer.write(ServerSentEvent('{"text":"benchmark"}', event="text_delta"))

    return _in_a_loop(work)


def ndjson_writer(take: Take = _drop) -> AbstractContextManager[Run]:
    """Write values through one open Writer."""
    value = {"type": "text", "content": "benchmark"}

    async def send(chunk: bytes) -> None:
        take(chunk)

    async def work(times: int) -> None:
        async with Writer(send, NDJSONEncoder()) as writer:
            for _ in range(times):
                await writer.write(value)

    return _in_a_loop(work)


async def hundred_events() -> AsyncIterator[TextDelta]:
    """Yield what the original's mock provider sends."""
    for _ in range(100):
        yield TextDelta("Benchmark text")


_SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [(b"host", b"localhost"), (b"accept", b"*/*")],
}


def _stream(respond: Callable[[AsyncIterator[TextDelta]], Any]) -> AbstractContextManager[Run]:
    async def work(times: int) -> bytearray:
        body = bytearray()
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal body
            body += message.get("body", b"")

        for _ in range(times):
            body.clear()
            await respond(hundred_events())(_SCOPE.copy(), receive, send)
        return body

    return _in_a_loop(work)


def sse_stream() -> AbstractContextManager[Run]:
    """Answer a request with a hundred events, server left out."""
    return _stream(sse_response)


def ndjson_stream() -> AbstractContextManager[Run]:
    """Answer a request with a hundred events, server left out."""
    return _stream(ndjson_response)


@contextmanager
def compact_form() -> Iterator[Run]:
    """Write the compact form of an event that is in its full form."""
    full = gai_v1.normalize(TextDelta("Benchmark text content"), ts=1705314600000, seq=100)

    def run(times: int) -> bytes:
        text = b""
        for _ in range(times):
            text = _json.dumps(gai_v1.compact(full))
        return text

    yield run


def reader() -> AbstractContextManager[Run]:
    """Read a thousand lines."""
    lines = b"\n".join(b'{"type":"text","content":"Line %d"}' % number for number in range(1000))
    # As the original's scanner takes them from its input.
    chunks = [lines[start : start + 4096] for start in range(0, len(lines), 4096)]

    async def work(times: int) -> Any:
        value = None
        for _ in range(times):
            async for value in Reader(chunks):
                pass
        return value

    return _in_a_loop(work)


@contextmanager
def _http(path: str) -> Iterator[Run]:
    with serving() as port:
        client = Client(port, path)

        def run(times: int) -> bytes:
            response = b""
            for _ in range(times):
                response = client.get()
            return response

        try:
            yield run
        finally:
            client.close()


def http_sse() -> AbstractContextManager[Run]:
    """Get a hundred events over HTTP."""
    return _http("/sse")


def http_ndjson() -> AbstractContextManager[Run]:
    """Get a hundred events over HTTP."""
    return _http("/ndjson")


@contextmanager
def normalise() -> Iterator[Run]:
    """Make the normalised event of a provider's piece of text."""

    def run(times: int) -> TextDelta:
        event = TextDelta("")
        make = TextDelta
        for _ in range(times):
            event = make("Benchmark text content")
        return event

    yield run


@contextmanager
def normalise_lift() -> Iterator[Run]:
    """Make the normalised event of whatever a source yields."""

    def run(times: int) -> list[Any]:
        events: list[Any] = []
        feed = Lift().feed
        for _ in range(times):
            events = feed("Benchmark text content")
        return events

    yield run


@contextmanager
def normalise_wire() -> Iterator[Run]:
    """Make the full form of an event."""
    event = TextDelta("Benchmark text content")

    def run(times: int) -> dict[str, Any]:
        full: dict[str, Any] = {}
        make = gai_v1.normalize
        for number in range(1, times + 1):
            full = make(event, ts=1705314600000, seq=number, trace_id="trace_bench", request_id="req_bench")
        return full

    yield run


@contextmanager
def parse() -> Iterator[Run]:
    """Read the full form of an event."""
    line = b'{"schema":"gai.events.v1","type":"text.delta","ts":1705314600000,"seq":1,"text":"Hello"}'

    def run(times: int) -> Any:
        event = None
        for _ in range(times):
            event = gai_v1.parse(line)
        return event

    yield run


_THERE_STREAM = (
    "`{0}(recorder, stream)`: a goroutine sends 100 text events into the stream's channel; the whole response with its "
    "`done` is written to an `httptest.ResponseRecorder`, with a flush after each event."
)
_HERE_STREAM = (
    "`await {0}(stream)(scope, receive, send)`, all options at their defaults: the stream is an async generator of 100 "
    "`TextDelta`, made as it runs; `send` appends the bodies to a `bytearray`. Building the response, its headers, the "
    "disconnect watch, the heartbeat timer and `done` are in it. What is ready at once leaves together, so there are "
    "fewer sends than flushes there."
)
_THERE_HTTP = (
    "`{0}(provider, prepare)` under `httptest.NewServer`; `http.Get` on a kept-alive connection in the same process, "
    "the body copied to `io.Discard`."
)
_HERE_HTTP = (
    "`{0}(provider, prepare)`, defaults, under uvicorn (httptools, uvloop) in a process of its own; a blocking socket "
    "on a kept-alive connection that reads to the last chunk of the body."
)

ROWS = (
    Row(
        "sse_writer",
        "SSE Writer, one event",
        1.67,
        30_000,
        sse_writer,
        '`writer.WriteEvent("message", data)` to `io.Discard`, `data` a ready string: two formatted writes under a mutex.',
        "`await writer.write(data)` on an open `Writer`, defaults (heartbeat, time limit and back-pressure at work), into "
        "an async `send` that drops the bytes. `message` is the type that an event has without a name, so none is "
        "written. Opening and closing the Writer once in 30,000 events is in it, and so is what its sending task does.",
    ),
    Row(
        "ndjson_writer",
        "NDJSON Writer, one value",
        8.1,
        20_000,
        ndjson_writer,
        "`writer.Write(map)` to `io.Discard`, through `encoding/json`.",
        "`await writer.write(dict)` on an open `Writer` with `NDJSONEncoder()`; otherwise as the row above.",
    ),
    Row(
        "sse_stream",
        "SSE stream of 100 events",
        1675,
        20,
        sse_stream,
        _THERE_STREAM.format("SSE"),
        _HERE_STREAM.format("sse_response"),
    ),
    Row(
        "ndjson_stream",
        "NDJSON stream of 100 events",
        1770,
        20,
        ndjson_stream,
        _THERE_STREAM.format("NDJSON"),
        _HERE_STREAM.format("ndjson_response"),
    ),
    Row(
        "compact_form",
        "compact form of one event",
        14.7,
        5_000,
        compact_form,
        "`event.CompactJSON()`: from the event's full form to its compact JSON.",
        "`compact(full)` and its JSON: from the event's full form to bytes. Theirs drops `ts`, ours keeps it.",
    ),
    Row(
        "reader",
        "NDJSON Reader, 1,000 lines",
        13_800,
        20,
        reader,
        "`reader.Read(&map)` a thousand times, over a string.",
        "`async for value in Reader(chunks)`, defaults, the same lines in the chunks of 4 KiB that the original's "
        "scanner takes.",
    ),
    Row(
        "http_sse",
        "HTTP SSE, 100 events, kept-alive client",
        4_700,
        20,
        http_sse,
        _THERE_HTTP.format("SSEHandler"),
        _HERE_HTTP.format("sse_handler"),
        waits=True,
    ),
    Row(
        "http_ndjson",
        "HTTP NDJSON, 100 events",
        4_900,
        20,
        http_ndjson,
        _THERE_HTTP.format("NDJSONHandler"),
        _HERE_HTTP.format("ndjson_handler"),
        waits=True,
    ),
    Row(
        "normalise",
        "normalise one event",
        0.34,
        100_000,
        normalise,
        "`normalizer.Normalize(event)`: fills one struct from another, with the next number; no JSON.",
        "`TextDelta(text)`, as `sse_response` does it with each piece of text that a provider yields: here the typed "
        "event *is* the normalised one, and its numbered form is made when it is written (as in the rows of the "
        "streams). The two rows below measure it in two other ways.",
    ),
    Row(
        "parse",
        "parse one normalised event",
        16.8,
        5_000,
        parse,
        "`ParseNormalizedEvent(line)`: JSON to a struct.",
        "`parse(line)`: JSON to the typed event, its schema, type and fields checked (theirs checks nothing).",
    ),
)
"""The ten rows of the original's table."""

VARIANTS = (
    Row(
        "sse_writer_named",
        "SSE Writer, one event with a name",
        1.67,
        30_000,
        sse_writer_named,
        "as above",
        '`await writer.write(ServerSentEvent(data, event="text_delta"))`: the message is built each time, which checks that '
        "no field can break out of its line (theirs writes what it is given).",
    ),
    Row(
        "normalise_lift",
        "normalise one event, through `Lift`",
        0.34,
        50_000,
        normalise_lift,
        "as above",
        "`lift.feed(text)`: the transform that takes whatever a source yields, and finds out what it is.",
    ),
    Row(
        "normalise_wire",
        "normalise one event, to the full form",
        0.34,
        20_000,
        normalise_wire,
        "as above",
        "`normalize(event, ts=..., seq=..., trace_id=..., request_id=...)`: to the dict of `gai.events.v1`.",
    ),
)
"""Other readings of a row, for those who would have chosen them."""
