"""What goes wrong in practice, on cue: bytes cut anywhere, and a source that fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice, pairwise
from random import Random
from typing import TypeVar

import anyio

__all__ = ["FailingSource", "every_split", "failing_source", "random_cuts"]

T = TypeVar("T")


def every_split(data: bytes) -> Iterator[list[bytes]]:
    """Yield `data` whole, byte by byte, and in two pieces in every way. Quadratic: for inputs of a few KB."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    for i in range(1, len(data)):
        yield [data[:i], data[i:]]


def random_cuts(data: bytes, n: int, seed: int = 0) -> Iterator[list[bytes]]:
    """Yield `n` random cuttings of `data`, from one piece up to single bytes; the same ones for the same `seed`."""
    random = Random(seed)
    for _ in range(n):
        cuts = random.sample(range(1, len(data)), random.randrange(len(data))) if len(data) > 1 else []
        yield [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)])]


class FailingSource(AsyncIterator[T]):
    """A source that yields items and then raises, once, as a generator does; it remembers how it was used.

    `yielded` counts the items; `closed` says that `aclose` was called, and `closed_by_same_task` whether that was in
    the task that iterated (None while not closed, or when nothing was asked for).
    """

    def __init__(self, items: Iterable[T], error: BaseException | type[BaseException], delay: float) -> None:
        self.yielded = 0
        self.closed = False
        self.closed_by_same_task: bool | None = None
        self._items = iter(items)
        self._error: BaseException | type[BaseException] | None = error
        self._delay = delay
        self._task: int | None = None

    async def __anext__(self) -> T:
        self._task = anyio.get_current_task().id
        if self._error is None:
            raise StopAsyncIteration
        if self._delay:
            await anyio.sleep(self._delay)
        for item in self._items:
            self.yielded += 1
            return item
        error, self._error = self._error, None
        raise error

    async def aclose(self) -> None:
        """Close the source: nothing more comes out of it."""
        if not self.closed and self._task is not None:
            self.closed_by_same_task = anyio.get_current_task().id == self._task
        self.closed = True
        self._error = None


def failing_source(
    items: Iterable[T], error: BaseException | type[BaseException], *, after: int | None = None, delay: float = 0.0
) -> FailingSource[T]:
    """Return an async source of `items` that raises `error` after `after` of them, or after all.

    It sleeps `delay` seconds before each item and before the error; with 0 it never suspends. Endless items never fail.
    """
    if after is not None and after < 0:
        raise ValueError(f"after must be 0 or more, not {after!r}")
    if delay < 0:
        raise ValueError(f"delay must be 0 or more seconds, not {delay!r}")
    return FailingSource(islice(items, after), error, delay)
