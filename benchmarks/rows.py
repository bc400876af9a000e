"""What the rows of the original's table measure: one function for each.

Each opens a context that gives a function `run(times)`: it does the row's work that many times and returns the last
result. Where the work ends in a transport, every chunk that would leave is handed to `take`, for a test to see.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks.inputs import SCOPE
from benchmarks.runner import Run
from benchmarks.server import Client, serving
from gai_stream import _json, ndjson_response, sse_response
from gai_stream.dialects import gai_v1
from gai_stream.events import TextDelta
from gai_stream.lift import Lift
from gai_stream.ndjson import NDJSONEncoder
from gai_stream.reader import Reader
from gai_stream.sse import ServerSentEvent, SSEEncoder
from gai_stream.writer import Writer

__all__ = [
    "compact_form",
    "http_ndjson",
    "http_sse",
    "ndjson_stream",
    "ndjson_writer",
    "normalise",
    "normalise_lift",
    "normalise_wire",
    "parse",
    "reader",
    "sse_stream",
    "sse_stream_waiting",
    "sse_writer",
    "sse_writer_named",
]

Take = Callable[[bytes], object]


def _drop(chunk: bytes) -> None:
    pass


@contextmanager
def _in_a_loop(work: Callable[[int], Coroutine[Any, Any, Any]]) -> Iterator[Run]:
    """Give a function that awaits `work(times)` in an event loop that lives as long as the row."""
    with asyncio.Runner() as runner:
        yield lambda times: runner.run(work(times))


def sse_writer(take: Take = _drop, writer_type: type[Writer] = Writer) -> AbstractContextManager[Run]:
    """Write data through one open Writer."""

    async def send(chunk: bytes) -> None:
        take(chunk)

    async def work(times: int) -> None:
        async with writer_type(send, SSEEncoder()) as writer:
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


def ndjson_writer(take: Take = _drop, writer_type: type[Writer] = Writer) -> AbstractContextManager[Run]:
    """Write values through one open Writer."""
    value = {"type": "text", "content": "benchmark"}

    async def send(chunk: bytes) -> None:
        take(chunk)

    async def work(times: int) -> None:
        async with writer_type(send, NDJSONEncoder()) as writer:
            for _ in range(times):
                await writer.write(value)

    return _in_a_loop(work)


async def hundred_events() -> AsyncIterator[TextDelta]:
    """Yield what the original's mock provider sends."""
    for _ in range(100):
        yield TextDelta("Benchmark text")


async def hundred_events_waiting_once() -> AsyncIterator[TextDelta]:
    """Yield the same, and let the event loop turn behind the first."""
    yield TextDelta("Benchmark text")
    await asyncio.sleep(0)
    for _ in range(99):
        yield TextDelta("Benchmark text")


def _stream(
    respond: Callable[[AsyncIterator[TextDelta]], Any],
    events: Callable[[], AsyncIterator[TextDelta]] = hundred_events,
) -> AbstractContextManager[Run]:
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
            await respond(events())(SCOPE.copy(), receive, send)
        return body

    return _in_a_loop(work)


def sse_stream() -> AbstractContextManager[Run]:
    """Answer a request with a hundred events, server left out."""
    return _stream(sse_response)


def sse_stream_waiting() -> AbstractContextManager[Run]:
    """Answer a request with a hundred events that are not all there at once."""
    return _stream(sse_response, hundred_events_waiting_once)


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
        last = None
        for _ in range(times):
            async for value in Reader(chunks):
                last = value
        return last

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
