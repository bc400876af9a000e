"""Values out of the bytes of an NDJSON stream, and any stream into a channel."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

import anyio
import orjson
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectSendStream

from .ndjson import Loads, NDJSONDecoder, OnError
from .transform import close_all

__all__ = ["Reader", "stream_to_channel"]

_CLOSE_TIMEOUT: Final = 5.0
"""How many seconds a source may take to close."""

_SLICE: Final = 0.005
"""After how many seconds a source that is always ready lets other tasks run."""


class Reader:
    """Iterate over the values in `chunks`, an async or sync iterable of bytes: `async for value in Reader(chunks)`.

    The options are those of NDJSONDecoder. After a DecodeError or a LimitExceeded, iteration can go on: the next value
    is the one behind the bad line. The source is closed exactly once, when it ends, fails or is cancelled, or by
    `aclose`: leave the loop early only inside `async with`. A sync source is iterated where you stand: one that blocks,
    blocks your event loop. Raises TypeError for anything else, and for chunks that are no bytes.
    """

    def __init__(
        self,
        chunks: AsyncIterable[bytes] | Iterable[bytes],
        *,
        loads: Loads = orjson.loads,
        max_line_size: int | None = 1 << 20,
        on_error: OnError = "raise",
        exact_ints: bool = False,
    ) -> None:
        self._decoder = NDJSONDecoder(
            loads=loads, max_line_size=max_line_size, on_error=on_error, exact_ints=exact_ints
        )
        self._source = _Source(chunks, "Reader: chunks must be an async or sync iterable of bytes")
        self._ready: Iterator[Any] = iter(())
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        for value in self._ready:
            return value
        while not self._ended or self._decoder.pending:
            if values := await self._read():
                self._ready = iter(values)
                return next(self._ready)
        raise StopAsyncIteration

    async def _read(self) -> list[Any]:
        """Return the next values, or none where a chunk completes no line."""
        if self._decoder.pending:
            return self._decoder.finish() if self._ended else self._decoder.feed(b"")
        try:
            chunk = await self._source.next()
        except StopAsyncIteration:
            self._ended = True
            return self._decoder.finish()
        except BaseException:
            self._ended = True
            raise
        return self._decoder.feed(chunk)

    async def aclose(self) -> None:
        """End the iteration and close the source. Takes at most five seconds, whatever the source does."""
        self._ended = True
        self._ready = iter(())
        self._decoder = NDJSONDecoder()
        await self._source.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


async def stream_to_channel(stream: AsyncIterable[Any] | Iterable[Any], channel: MemoryObjectSendStream[Any]) -> None:
    """Send every item of `stream` into `channel`, then close both.

    Start it in a task group of yours. A full channel makes the stream wait; a closed receiver ends it quietly; what the
    stream raises is raised here, once the channel is closed.
    """
    try:
        source = _Source(stream, "stream_to_channel: stream must be an async or sync iterable")
    except TypeError:
        channel.close()
        raise
    try:
        with channel:
            while True:
                try:
                    item = await source.next()
                except StopAsyncIteration:
                    break
                try:
                    await channel.send(item)
                except anyio.BrokenResourceError:
                    break
    finally:
        await source.aclose()


class _Source:
    """An async or sync iterable, pulled and closed in one way."""

    def __init__(self, iterable: AsyncIterable[Any] | Iterable[Any], accepted: str) -> None:
        self._async = isinstance(iterable, AsyncIterable)
        if isinstance(iterable, AsyncIterable):
            self._items: Any = aiter(iterable)
        elif isinstance(iterable, Iterable) and not isinstance(
            iterable, str | bytes | bytearray | memoryview | Mapping
        ):
            self._items = iter(iterable)
        else:
            raise TypeError(f"{accepted}, not {type(iterable).__name__}")
        self._sources: tuple[Any, ...] = (self._items,) if self._items is iterable else (self._items, iterable)
        self._closed = False
        self._due = monotonic() + _SLICE

    async def next(self) -> Any:
        """Return the next item. Raises StopAsyncIteration behind the last one; closes what ends or fails."""
        try:
            if monotonic() >= self._due:
                await checkpoint()
                self._due = monotonic() + _SLICE
            if self._async:
                return await anext(self._items)
            for item in self._items:
                return item
        except BaseException:
            await self.aclose()
            raise
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the iterable once, even if the task is cancelled, and wait no longer than `_CLOSE_TIMEOUT` for it."""
        if not self._closed:
            self._closed = True
            with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True):
                await close_all(self._sources)
