"""Every cost that must grow no faster than what it is paid for: events, bytes, lines, fragments, streams, readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from benchmarks.inputs import SCOPE, chunks_of
from gai_stream import ndjson_response, sse_response
from gai_stream.dialects import registry
from gai_stream.events import Done, Event, Finish, Start, TextDelta, ToolCall, ToolCallDelta
from gai_stream.ndjson import NDJSONDecoder, NDJSONEncoder
from gai_stream.reader import Reader
from gai_stream.sse import ServerSentEvent, SSEDecoder, SSEEncoder
from gai_stream.transform import Transform, pipe
from gai_stream.writer import Writer

__all__ = ["Cost", "Pay", "costs"]

Pay: TypeAlias = Callable[[], Awaitable[object]]

_MESSAGE = '{"text":"Benchmark text"}'


@dataclass(frozen=True)
class Cost:
    """`prepare(n)` gives a function that pays for n of `what` once; `smallest` is the least n that is measured."""

    key: str
    name: str
    what: str
    smallest: int
    prepare: Callable[[int], Pay]


def _fed(make: Callable[[], Transform[Any, Any]], items: Sequence[Any]) -> Pay:
    async def pay() -> None:
        transform = make()
        feed = transform.feed
        for item in items:
            feed(item)
        transform.finish()

    return pay


def _big(size: int) -> str:
    """Return text of about that many bytes in UTF-8, which has to be encoded and decoded, not only copied."""
    return "流式传输" * (size // 12)


def _framings() -> Iterator[Cost]:
    sse = partial(SSEDecoder, max_event_size=None)
    ndjson = partial(NDJSONDecoder, max_line_size=None)
    block, line = f"event: text_delta\ndata: {_MESSAGE}\n\n".encode(), f"{_MESSAGE}\n".encode()
    named = ServerSentEvent(_MESSAGE, event="text_delta")

    def sse_bytes(size: int, cut: int) -> list[bytes]:
        return chunks_of(f"data: {_big(size)}\n\n".encode(), cut)

    def sse_lines(number: int) -> list[bytes]:
        return chunks_of(b"data: a line of an answer\n" * number + b"\n", 1024)

    def ndjson_bytes(size: int, cut: int) -> list[bytes]:
        return chunks_of(f'{{"text":"{_big(size)}"}}\n'.encode(), cut)

    def sized(key: str, name: str, smallest: int, prepare: Callable[[int], Pay]) -> Cost:
        return Cost(key, name, "bytes of one line", smallest, prepare)

    yield Cost("sse/decode/events", "SSE decode", "events", 200, lambda n: _fed(sse, chunks_of(block * n)))
    yield Cost(
        "sse/decode/cut", "SSE decode, 5-byte chunks", "events", 20, lambda n: _fed(sse, chunks_of(block * n, 5))
    )
    yield sized("sse/decode/line", "SSE decode, 64-byte chunks", 1 << 14, lambda n: _fed(sse, sse_bytes(n, 64)))
    yield sized("sse/decode/bytes", "SSE decode, 256-byte chunks", 1 << 11, lambda n: _fed(sse, sse_bytes(n, 256)))
    # From 10 KB on: an event of up to 8 KiB is read in one go, which costs a quarter.
    yield Cost("sse/decode/lines", "SSE decode", "`data:` lines of one event", 400, lambda n: _fed(sse, sse_lines(n)))
    yield Cost("sse/encode/events", "SSE encode", "events", 200, lambda n: _fed(SSEEncoder, [named] * n))
    yield sized("sse/encode/bytes", "SSE encode", 1 << 13, lambda n: _fed(SSEEncoder, [_big(n)]))
    yield Cost(
        "sse/encode/lines", "SSE encode", "lines of one event", 200, lambda n: _fed(SSEEncoder, ["a line\n" * n])
    )
    yield Cost("ndjson/decode/lines", "NDJSON decode", "lines", 200, lambda n: _fed(ndjson, chunks_of(line * n)))
    yield Cost(
        "ndjson/decode/cut", "NDJSON decode, 5-byte chunks", "lines", 20, lambda n: _fed(ndjson, chunks_of(line * n, 5))
    )
    yield sized(
        "ndjson/decode/line", "NDJSON decode, 64-byte chunks", 1 << 14, lambda n: _fed(ndjson, ndjson_bytes(n, 64))
    )
    yield Cost(
        "ndjson/encode/values", "NDJSON encode", "values", 200, lambda n: _fed(NDJSONEncoder, [{"text": "a"}] * n)
    )
    yield sized("ndjson/encode/bytes", "NDJSON encode", 1 << 13, lambda n: _fed(NDJSONEncoder, [{"text": _big(n)}]))


def _answer(number: int) -> list[Event]:
    return [Start(model="bench-1"), *[TextDelta("Benchmark text")] * number, Finish("stop"), Done()]


def _call(number: int) -> list[Event]:
    """Return one tool call in that many fragments."""
    arguments = ['{"of":[0', *[",1234567"] * number, "]}"]
    whole = ToolCall("call_1", "add", {"of": [0, *[1234567] * number]}, "".join(arguments))
    fragments = (ToolCallDelta(0, arguments=piece) for piece in arguments)
    return [Start(model="bench-1"), ToolCallDelta(0, "call_1", "add"), *fragments, whole, Finish("tool_calls"), Done()]


def _dialects() -> Iterator[Cost]:
    for name in registry.names():
        dialect = registry.dialect(name)
        if dialect.encoder is None:
            continue
        for key, what, events in (("text", "events", _answer), ("call", "fragments of one call", _call)):
            yield Cost(f"{name}/encode/{key}", f"{name} encode", what, 100, partial(_encoding, dialect, events))
            if dialect.decoder is not None:
                # A dialect that tells a call in one message reads it so fast that a small one does not show.
                in_one_piece = len(_messages(dialect, events(2))) == len(_messages(dialect, events(1)))
                smallest = 4000 if in_one_piece else 100
                yield Cost(
                    f"{name}/decode/{key}", f"{name} decode", what, smallest, partial(_decoding, dialect, events)
                )


def _encoding(dialect: registry.Dialect, events: Callable[[int], list[Event]], number: int) -> Pay:
    assert dialect.encoder is not None
    return _fed(dialect.encoder, events(number))


def _decoding(dialect: registry.Dialect, events: Callable[[int], list[Event]], number: int) -> Pay:
    assert dialect.decoder is not None
    return _fed(dialect.decoder, _messages(dialect, events(number)))


def _messages(dialect: registry.Dialect, events: list[Event]) -> list[Any]:
    assert dialect.encoder is not None
    encoder = dialect.encoder()
    return [message for event in events for message in encoder.feed(event)] + encoder.finish()


def _read(number: int) -> Pay:
    chunks = chunks_of(f"{_MESSAGE}\n".encode() * number)

    async def pay() -> None:
        async for _ in Reader(chunks):
            pass

    return pay


def _readers(number: int) -> Pay:
    chunk = f"{_MESSAGE}\n".encode()

    async def waiting() -> AsyncIterator[bytes]:
        for _ in range(10):
            await asyncio.sleep(0)
            yield chunk

    async def read() -> None:
        async for _ in Reader(waiting()):
            pass

    async def pay() -> None:
        await asyncio.gather(*(read() for _ in range(number)))

    return pay


def _piped(number: int) -> Pay:
    chunks = [f"data: {_MESSAGE}\n\n".encode()] * number

    async def pay() -> None:
        async for _ in pipe(chunks, SSEDecoder(), SSEEncoder()):
            pass

    return pay


def _written(number: int) -> Pay:
    async def send(chunk: bytes) -> None:
        pass

    async def pay() -> None:
        async with Writer(send, SSEEncoder()) as writer:
            for _ in range(number):
                await writer.write(_MESSAGE)

    return pay


async def _ready(number: int) -> AsyncIterator[str]:
    for _ in range(number):
        yield "Benchmark text"


async def _slow(number: int) -> AsyncIterator[str]:
    for _ in range(number):
        await asyncio.sleep(0)
        yield "Benchmark text"


async def _answered(response: Callable[..., Awaitable[None]]) -> None:
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        pass

    await response(SCOPE.copy(), receive, send)


def _streamed(respond: Callable[..., Any], source: Callable[[int], AsyncIterator[str]], number: int) -> Pay:
    async def pay() -> None:
        await _answered(respond(source(number)))

    return pay


def _streams(number: int) -> Pay:
    async def pay() -> None:
        await asyncio.gather(*(_answered(sse_response(_slow(10))) for _ in range(number)))

    return pay


def _streaming() -> Iterator[Cost]:
    yield Cost("reader/lines", "Reader", "lines", 200, _read)
    yield Cost("pipe/events", "pipe: SSE to SSE", "events", 100, _piped)
    yield Cost("writer/events", "Writer", "events", 400, _written)
    for name, respond in (("sse_response", sse_response), ("ndjson_response", ndjson_response)):
        yield Cost(f"{name}/ready", f"{name}, all there at once", "events", 200, partial(_streamed, respond, _ready))
        yield Cost(f"{name}/slow", f"{name}, one by one", "events", 50, partial(_streamed, respond, _slow))
    compressed = partial(sse_response, compress=True)
    yield Cost("compressed/slow", "sse_response, compressed", "events", 50, partial(_streamed, compressed, _slow))
    yield Cost("reader/readers", "Readers of 10 lines each", "readers at once", 4, _readers)
    yield Cost("sse_response/streams", "sse_responses of 10 events each", "streams at once", 4, _streams)


def costs() -> list[Cost]:
    """Return every cost, those of all dialects that the registry knows among them."""
    return [*_framings(), *_dialects(), *_streaming()]
