"""The one shape of everything that changes data, and `pipe`, which pulls data through it."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from inspect import isawaitable
from typing import Any, Protocol, TypeVar

__all__ = ["Transform", "pipe"]

In_contra = TypeVar("In_contra", contravariant=True)
Out = TypeVar("Out")


class Transform(Protocol[In_contra, Out]):
    """A step from one kind of item to another: no I/O, no clock, used for one stream.

    The contract, tested over every transform of the toolkit:

    - `feed` returns a list, nothing lazy, and the same items for every way of cutting the input;
    - good items come first: an error found behind good items is raised by the *next* call, and nothing is lost;
    - bad input raises only `DecodeError`, `LimitExceeded` or, from `finish`, `TruncatedStream`;
    - `feed` or `finish` after `finish` raises RuntimeError;
    - memory never exceeds the limit plus one item, and cost is linear in what is fed.
    """

    def feed(self, item: In_contra, /) -> list[Out]:
        """Take one item and return what it completes."""
        ...

    def finish(self) -> list[Out]:
        """Say that no more comes, and return what was still held back."""
        ...


def pipe(source: AsyncIterable[Any] | Iterable[Any], *transforms: Transform[Any, Any]) -> AsyncGenerator[Any, None]:
    """Pull `source` through `transforms` and give what comes out.

    The source, and the iterator made of it, is closed when the pipe ends, fails or is closed, even before its first
    item. A synchronous source is iterated where you stand: one that blocks, blocks your event loop. Raises TypeError
    for a source that cannot be iterated.
    """
    items: Any
    if isinstance(source, AsyncIterable):
        items = aiter(source)
    elif isinstance(source, Iterable) and not isinstance(source, str | bytes | bytearray | memoryview | Mapping):
        items = iter(source)
    else:
        raise TypeError(f"pipe: source must be an async or sync iterable of items, not {type(source).__name__}")
    return _Pipe(source, items, transforms)


class _Pipe(AsyncGenerator[Any, None]):
    """An asynchronous generator that also closes its source if it is closed before it has begun."""

    def __init__(self, source: Any, items: Any, transforms: Sequence[Transform[Any, Any]]) -> None:
        self._sources = (items,) if items is source else (items, source)
        self._outputs = _pull(self._sources, transforms)
        self._started = False

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        self._started = True
        return self._outputs.__anext__()

    def asend(self, value: None, /) -> Coroutine[Any, Any, Any]:
        self._started = True
        return self._outputs.asend(value)

    def athrow(self, *exception: Any) -> Coroutine[Any, Any, Any]:
        return self._outputs.athrow(*exception)

    async def aclose(self) -> None:
        await self._outputs.aclose()
        if not self._started:
            self._started = True
            await close_all(self._sources)


async def _pull(sources: tuple[Any, ...], transforms: Sequence[Transform[Any, Any]]) -> AsyncGenerator[Any, None]:
    """Yield what `transforms` make of the items of the iterator `sources[0]`, made of the iterable `sources[-1]`."""
    items = sources[0]
    try:
        if isinstance(sources[-1], AsyncIterable):
            async for item in items:
                for out in _through(transforms, (item,)):
                    yield out
        else:
            for item in items:
                for out in _through(transforms, (item,)):
                    yield out
    finally:
        await close_all(sources)
    for position, transform in enumerate(transforms):
        for out in _through(transforms[position + 1 :], transform.finish()):
            yield out


async def close_all(sources: Sequence[Any]) -> None:
    """Close each of `sources` by its `aclose` or `close`, if it has one, whether or not the others fail to."""
    if not sources:
        return
    first, rest = sources[0], sources[1:]
    try:
        close = getattr(first, "aclose", None) or getattr(first, "close", None)
        if close is not None and isawaitable(closing := close()):
            await closing
    finally:
        await close_all(rest)


def _through(transforms: Sequence[Transform[Any, Any]], items: Iterable[Any]) -> Iterator[Any]:
    """Yield what `transforms` make of `items`, each as soon as it is ready: an error loses nothing before it."""
    if not transforms:
        yield from items
        return
    first, rest = transforms[0], transforms[1:]
    for item in items:
        yield from _through(rest, first.feed(item))
