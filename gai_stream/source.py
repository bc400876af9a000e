"""Whatever a provider hands you, as one kind of stream, pulled without blocking the event loop.

Asynchronous iterables are pulled where you stand, and so are lists. Other synchronous ones are iterated by one worker
thread, which hands over whatever is ready, at once: neither a thread hop per item, nor a wait to fill a batch.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping
from contextvars import copy_context
from types import AsyncGeneratorType
from typing import Any

import anyio
from anyio.lowlevel import current_token

from .events import EVENT_TYPES, TextDelta
from .transform import Transform, close_all

__all__ = ["Lift", "Source", "check_stream"]

_AHEAD = 256
"""How many items a worker thread may run ahead of its consumer."""


def check_stream(stream: object) -> None:
    """Raise TypeError unless `stream` is something that `Source` can iterate."""
    if isinstance(stream, AsyncIterable):
        return
    if isinstance(stream, Iterable) and not isinstance(stream, str | bytes | bytearray | memoryview | Mapping):
        return
    hint = "; await it first" if hasattr(stream, "__await__") else ""
    hint = "; call it first" if callable(stream) else hint
    raise TypeError(
        "stream must be an async or sync iterable of str, events, ServerSentEvents or JSON values, such as a "
        f"generator, a list or an SDK's stream, not {type(stream).__name__}{hint}"
    )


class Source:
    """Iterate over `stream`, item by item: `async for item in Source(stream)`, once.

    Iterate and close it in one task: that task closes the stream, so that its `finally` blocks run where its body ran.
    Raises TypeError when built, for a stream that cannot be iterated; otherwise what the stream raises.
    """

    def __init__(self, stream: AsyncIterable[Any] | Iterable[Any]) -> None:
        check_stream(stream)
        self._stream = stream
        self._worker: _Worker | None = None
        self._items: AsyncIterator[Any]
        if isinstance(stream, AsyncIterable):
            self._items = aiter(stream)
        elif isinstance(stream, list | tuple | deque | range):
            self._items = _each(stream)
        else:
            self._worker = _Worker(stream)
            self._items = self._worker.items()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._items

    @property
    def over(self) -> bool:
        """Whether there is nothing left to close: the stream is an async generator that has run to its end."""
        return type(self._stream) is AsyncGeneratorType and self._stream.ag_frame is None

    async def aclose(self) -> None:
        """Close the stream, and wait until it is closed."""
        if self._worker is not None:
            await close_all((self._items, self._worker))
        else:
            # SDK streams hold a connection that their iterator does not close.
            await close_all((self._items,) if self._items is self._stream else (self._items, self._stream))


async def _each(ready: Iterable[Any]) -> AsyncGenerator[Any, None]:
    for item in ready:
        yield item


class _Worker:
    """Iterate over a synchronous iterable in a thread of its own."""

    def __init__(self, iterable: Iterable[Any]) -> None:
        self._iterable = iterable
        self._ready: deque[Any] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._ended = False
        self._error: BaseException | None = None
        self._consumer: anyio.Event | None = None

    async def items(self) -> AsyncGenerator[Any, None]:
        """Yield what the thread has ready, or wait for it."""
        self._token = current_token()
        thread = threading.Thread(target=copy_context().run, args=(self._run,), name="gai_stream source", daemon=True)
        thread.start()
        self._thread = thread
        while batch := await self._take():
            for item in batch:
                yield item
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    async def _take(self) -> list[Any]:
        while True:
            with self._changed:
                if self._ready or self._ended:
                    batch = list(self._ready)
                    self._ready.clear()
                    self._changed.notify_all()
                    return batch
                self._consumer = consumer = anyio.Event()
            await consumer.wait()

    async def aclose(self) -> None:
        """Stop the thread at its next item, and wait until it has closed the iterable."""
        if self._thread is None:
            _close(self._iterable)
            return
        while True:
            with self._changed:
                self._stopped = True
                self._ready.clear()
                self._changed.notify_all()
                if self._ended:
                    return
                self._consumer = consumer = anyio.Event()
            await consumer.wait()

    def _run(self) -> None:
        iterator = None
        try:
            iterator = iter(self._iterable)
            for item in iterator:
                self._hand_over(item)
                if self._stopped:
                    break
        except BaseException as exc:  # noqa: BLE001 (raised again in the consumer's task)
            self._error = exc
        finally:
            try:
                _close(iterator)
                if iterator is not self._iterable:
                    _close(self._iterable)
            except BaseException as exc:  # noqa: BLE001 (as above)
                self._error = self._error or exc
            with self._changed:
                self._ended = True
                consumer, self._consumer = self._consumer, None
            self._wake(consumer)

    def _hand_over(self, item: Any) -> None:
        with self._changed:
            while len(self._ready) >= _AHEAD and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return
            self._ready.append(item)
            consumer, self._consumer = self._consumer, None
        self._wake(consumer)

    def _wake(self, consumer: anyio.Event | None) -> None:
        if consumer is not None:
            try:
                anyio.from_thread.run_sync(consumer.set, token=self._token)
            except RuntimeError:
                # The event loop ended while the iterable was blocking: nobody waits any more.
                self._stopped = True


def _close(iterable: object) -> None:
    close = getattr(iterable, "close", None)
    if callable(close):
        close()


class Lift:
    """The transform from what sources yield to what can be written.

    `str` becomes TextDelta and an SDK's chunk objects become events; events, ServerSentEvents and other JSON values
    stay as they are.
    """

    def __init__(self) -> None:
        self._decoder: Transform[Any, Any] | None = None
        self._finished = False

    def feed(self, item: Any, /) -> list[Any]:
        """Return the event that `item` stands for, or `item`."""
        if self._finished:
            raise RuntimeError("Lift: feed after finish")
        if type(item) is str:
            return [TextDelta(item)]
        if isinstance(item, str):
            # A subclass, such as an enum's member: the text itself, whatever it makes of `str(item)`.
            return [TextDelta(str.__str__(item))]
        if type(item) in EVENT_TYPES or not hasattr(item, "model_dump"):
            return [item]
        if getattr(item, "object", None) == "chat.completion.chunk":
            if self._decoder is None:
                from .dialects.openai import OpenAIDecoder

                self._decoder = OpenAIDecoder()
            return self._decoder.feed(item)
        return [item]

    def finish(self) -> list[Any]:
        """Return what an SDK's stream still owes. Raises TruncatedStream if it was cut."""
        if self._finished:
            raise RuntimeError("Lift: finish after finish")
        self._finished = True
        return self._decoder.finish() if self._decoder is not None else []
