"""Whatever a provider hands you, as one kind of stream, pulled without blocking the event loop.

Asynchronous iterables are pulled where you stand, and so are lists. Other synchronous ones are iterated by one worker
thread, which hands over whatever is ready, at once: neither a thread hop per item, nor a wait to fill a batch.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Mapping
from contextvars import copy_context
from types import AsyncGeneratorType
from typing import Any

from ._handover import Handover
from .transform import close_all

__all__ = ["Source", "check_stream"]

_AHEAD = 256
"""How many items a worker thread may run ahead of its consumer."""


def check_stream(stream: object) -> None:
    """Raise TypeError unless `stream` is something that `Source` can iterate."""
    if isinstance(stream, AsyncIterable):
        return
    if isinstance(stream, Iterable) and not isinstance(stream, str | bytes | bytearray | memoryview | Mapping):
        return
    if _is_manager(stream):
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
        if not isinstance(stream, Iterable) and _is_manager(stream):
            self._stream = stream = _managed(stream)
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


def _is_manager(stream: object) -> bool:
    """Tell what `client.messages.stream(...)` returns, and its like: it asks the model when its block is entered."""
    named = any(base.__name__.endswith("StreamManager") for base in type(stream).__mro__)
    return named and (hasattr(stream, "__aenter__") or hasattr(stream, "__enter__"))


def _managed(manager: Any) -> AsyncIterable[Any] | Iterable[Any]:
    """Return the stream inside a manager, whose block is entered and left where the stream is iterated."""

    async def inside() -> AsyncGenerator[Any, None]:
        async with manager as stream:
            items = aiter(stream)
            try:
                async for item in items:
                    yield item
            finally:
                await close_all((items,))

    def inside_thread() -> Generator[Any, None, None]:
        with manager as stream:
            yield from stream

    return inside() if hasattr(manager, "__aenter__") else inside_thread()


async def _each(ready: Iterable[Any]) -> AsyncGenerator[Any, None]:
    for item in ready:
        yield item


class _Worker:
    """Iterate over a synchronous iterable in a thread of its own."""

    def __init__(self, iterable: Iterable[Any]) -> None:
        self._iterable = iterable
        self._handover = Handover(_AHEAD)
        self._started = False

    async def items(self) -> AsyncGenerator[Any, None]:
        """Yield what the thread has ready, or wait for it."""
        self._started = True
        threading.Thread(target=copy_context().run, args=(self._run,), name="gai_stream source", daemon=True).start()
        while batch := await self._handover.take():
            for item in batch:
                yield item

    async def aclose(self) -> None:
        """Stop the thread at its next item, and wait until it has closed the iterable."""
        if not self._started:
            _close(self._iterable)
            return
        self._handover.stop()
        await self._handover.wait_until_over()

    def _run(self) -> None:
        iterator, error = None, None
        put = self._handover.put
        try:
            iterator = iter(self._iterable)
            for item in iterator:
                if not put(item):
                    break
        except BaseException as exc:  # noqa: BLE001 (raised again in the consumer's task)
            error = exc
        finally:
            try:
                _close(iterator)
                if iterator is not self._iterable:
                    _close(self._iterable)
            except BaseException as exc:  # noqa: BLE001 (as above)
                error = error or exc
            self._handover.end(error)


def _close(iterable: object) -> None:
    close = getattr(iterable, "close", None)
    if callable(close):
        close()
