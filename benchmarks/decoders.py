"""What decodes an event stream or lines of JSON, ours and others', each used as its documents say.

Each takes chunks of bytes and gives what it decodes them to, in the portions in which it hands it over. Those that only
read HTTP responses get one of their own library's that holds the chunks; that costs something for each chunk, so
httpx-sse is there a second time, with a response that does nothing but decode text.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeAlias

import anthropic._streaming
import httpx
import httpx2
import httpx_sse
import jsonlines
import msgspec
import openai._streaming
import orjson
import sseclient

from gai_stream.ndjson import NDJSONDecoder
from gai_stream.sse import SSEDecoder

__all__ = [
    "BY_HAND",
    "BY_HAND_ASYNC",
    "HTTPX_SSE",
    "HTTPX_SSE_ALONE",
    "LINE_DECODERS",
    "LONG_LINE_DECODERS",
    "OURS",
    "SSE_DECODERS",
    "Decode",
    "as_plain",
    "by_hand",
    "by_hand_async",
    "drain",
    "everything",
]

Decode: TypeAlias = Callable[[list[bytes]], Iterable[Iterable[Any]]]

OURS = "gai_stream"
HTTPX_SSE, HTTPX_SSE_ALONE = "httpx-sse", "httpx-sse, decoder alone"
BY_HAND, BY_HAND_ASYNC = "a loop over orjson", "the same loop, an async generator"
_HEADERS = {"content-type": "text/event-stream"}


def _ours(chunks: list[bytes], max_event_size: int | None = 1 << 20) -> Iterator[Iterable[Any]]:
    decoder = SSEDecoder(max_event_size=max_event_size)
    for chunk in chunks:
        yield decoder.feed(chunk)
    yield decoder.finish()


class _TextResponse:
    """The least that `httpx_sse.EventSource` can read: it makes the text that httpx would, at the least cost."""

    headers = _HEADERS

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def iter_text(self) -> Iterator[str]:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        for chunk in self._chunks:
            yield decode(chunk)


def _httpx_sse_alone(chunks: list[bytes]) -> Iterable[Iterable[Any]]:
    response: Any = _TextResponse(chunks)
    return (httpx_sse.EventSource(response).iter_sse(),)


class _Stream(httpx.SyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


class _Stream2(httpx2.SyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


_REQUEST = httpx.Request("GET", "http://127.0.0.1/")
_REQUEST2 = httpx2.Request("GET", "http://127.0.0.1/")


def _httpx_sse(chunks: list[bytes]) -> Iterable[Iterable[Any]]:
    response = httpx.Response(200, headers=_HEADERS, stream=_Stream(chunks), request=_REQUEST)
    return (httpx_sse.EventSource(response).iter_sse(),)


def _httpx2(chunks: list[bytes], max_event_size: int | None = 1 << 20) -> Iterable[Iterable[Any]]:
    response = httpx2.Response(200, headers=_HEADERS, stream=_Stream2(chunks), request=_REQUEST2)
    return (httpx2.EventSource(response, max_event_size),)


def _openai(chunks: list[bytes]) -> Iterable[Iterable[Any]]:
    return (openai._streaming.SSEDecoder().iter_bytes(iter(chunks)),)


def _anthropic(chunks: list[bytes]) -> Iterable[Iterable[Any]]:
    return (anthropic._streaming.SSEDecoder().iter_bytes(iter(chunks)),)


def _sseclient(chunks: list[bytes]) -> Iterable[Iterable[Any]]:
    return (sseclient.SSEClient(iter(chunks)).events(),)


SSE_DECODERS: dict[str, Decode] = {
    OURS: _ours,
    HTTPX_SSE: _httpx_sse,
    HTTPX_SSE_ALONE: _httpx_sse_alone,
    "httpx2": _httpx2,
    "openai": _openai,
    "anthropic": _anthropic,
    "sseclient-py": _sseclient,
}

LONG_LINE_DECODERS: dict[str, Decode] = {
    **SSE_DECODERS,
    OURS: partial(_ours, max_event_size=None),
    "httpx2": partial(_httpx2, max_event_size=None),
}
"""The same without the limits that two of them have."""


def _lines(chunks: list[bytes]) -> Iterator[Iterable[Any]]:
    decoder = NDJSONDecoder()
    for chunk in chunks:
        yield decoder.feed(chunk)
    yield decoder.finish()


def _msgspec(chunks: list[bytes]) -> Iterable[Iterable[Any]]:
    return (msgspec.json.Decoder().decode_lines(b"".join(chunks)),)


def _jsonlines(chunks: list[bytes]) -> Iterable[Iterable[Any]]:
    return (jsonlines.Reader(io.BytesIO(b"".join(chunks))),)


LINE_DECODERS: dict[str, Decode] = {OURS: _lines, "msgspec": _msgspec, "jsonlines": _jsonlines}


def by_hand(chunks: list[bytes], loads: Callable[[bytes], Any] = orjson.loads) -> None:
    """Read lines as one would without a library: no limit, no care for blank lines or bad ones."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            loads(line)
    if rest:
        loads(rest)


async def by_hand_async(chunks: list[bytes]) -> AsyncIterator[Any]:
    """Read lines the same way, and hand them to an `async for`."""
    loads = orjson.loads
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield loads(line)
    if rest:
        yield loads(rest)


def drain(decode: Decode, chunks: list[bytes]) -> None:
    """Take everything that `decode` gives."""
    for portion in decode(chunks):
        for _ in portion:
            pass


def everything(decode: Decode, chunks: list[bytes]) -> list[Any]:
    """Return everything that `decode` gives."""
    return [item for portion in decode(chunks) for item in portion]


def as_plain(event: Any) -> tuple[str, str, str]:
    """Return an event's type, data and id: the libraries agree on these, but for how they write an absent one."""
    return event.event or "message", event.data, event.id or ""
