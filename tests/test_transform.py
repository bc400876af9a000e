"""`pipe`: items through transforms, and a source that is always closed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from gai_stream.exceptions import DecodeError
from gai_stream.ndjson import NDJSONDecoder, NDJSONEncoder
from gai_stream.transform import close_all, pipe

pytestmark = pytest.mark.anyio


class Double:
    """Gives each item twice, and a tail at the end."""

    def __init__(self, tail: list[Any] | None = None) -> None:
        self.tail = tail or []

    def feed(self, item: Any, /) -> list[Any]:
        return [item, item]

    def finish(self) -> list[Any]:
        return self.tail


class Add:
    """Adds one, and refuses 13."""

    def feed(self, item: int, /) -> list[int]:
        if item == 13:
            raise DecodeError("thirteen")
        return [item + 1] if item else []

    def finish(self) -> list[int]:
        return [-1]


class Watched:
    """A source of `items` that counts how often it was closed; `error` ends it."""

    def __init__(self, *items: Any, error: Exception | None = None, hang: bool = False) -> None:
        self.items = iter(items)
        self.error = error
        self.hang = hang
        self.closed = 0

    def _next(self, end: type[Exception]) -> Any:
        for item in self.items:
            return item
        raise self.error or end


class AsyncSource(Watched):
    def __aiter__(self) -> AsyncSource:
        return self

    async def __anext__(self) -> Any:
        if self.hang:
            await anyio.sleep_forever()
        return self._next(StopAsyncIteration)

    async def aclose(self) -> None:
        self.closed += 1


class AsyncSDKStream(Watched):
    """Like an SDK's stream: iterating makes a generator, and closing that leaves the connection open."""

    async def __aiter__(self) -> AsyncIterator[Any]:
        if self.hang:
            await anyio.sleep_forever()
        for item in self.items:
            yield item
        if self.error:
            raise self.error

    async def close(self) -> None:
        self.closed += 1


class SyncSource(Watched):
    def __iter__(self) -> SyncSource:
        return self

    def __next__(self) -> Any:
        return self._next(StopIteration)

    def close(self) -> None:
        self.closed += 1


class SyncSDKStream(Watched):
    def __iter__(self) -> Iterator[Any]:
        yield from self.items
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed += 1


SOURCES = [AsyncSource, AsyncSDKStream, SyncSource, SyncSDKStream]


async def collect(outputs: AsyncIterator[Any]) -> tuple[list[Any], BaseException | None]:
    found: list[Any] = []
    try:
        async for item in outputs:
            found.append(item)
    except Exception as exc:  # noqa: BLE001 - handed on to be looked at
        return found, exc
    return found, None


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("transforms", "expected"),
    [
        ([], [1, 2]),
        ([Double()], [1, 1, 2, 2]),
        ([Add()], [2, 3, -1]),
        ([Double([7]), Add()], [2, 2, 3, 3, 8, -1]),
        ([Add(), Double([7])], [2, 2, 3, 3, -1, -1, 7]),
        ([Double([0]), Double([5]), Add()], [2, 2, 2, 2, 3, 3, 3, 3, 6, -1]),
    ],
)
async def test_items_go_through_every_transform_and_tails_through_the_rest(
    source: Callable[..., Watched], transforms: list[Any], expected: list[Any]
) -> None:
    watched = source(1, 2)
    assert await collect(pipe(watched, *transforms)) == (expected, None)
    assert watched.closed == 1


async def test_plain_iterables_are_sources() -> None:
    async def generate() -> AsyncIterator[bytes]:
        yield b"1\n2"
        yield b"\n3"

    assert await collect(pipe(generate(), NDJSONDecoder())) == ([1, 2, 3], None)
    for source in ([b"1\n2", b"\n3"], (chunk for chunk in (b"1\n2\n", b"3"))):
        assert await collect(pipe(source, NDJSONDecoder(), NDJSONEncoder())) == ([b"1\n", b"2\n", b"3\n"], None)


@pytest.mark.parametrize("source", SOURCES)
async def test_an_error_of_the_source_comes_behind_its_items_and_closes_it(source: Callable[..., Watched]) -> None:
    error = OSError("gone")
    watched = source(1, 2, error=error)
    assert await collect(pipe(watched, Double())) == ([1, 1, 2, 2], error)
    assert watched.closed == 1


@pytest.mark.parametrize("source", SOURCES)
async def test_an_error_of_a_transform_loses_nothing_before_it(source: Callable[..., Watched]) -> None:
    watched = source(b"1\n2\n13\n4\n", b"5\n")
    found, error = await collect(pipe(watched, NDJSONDecoder(), Add(), Double()))
    assert found == [2, 2, 3, 3]
    assert isinstance(error, DecodeError)
    assert watched.closed == 1


@pytest.mark.parametrize("source", SOURCES)
async def test_an_error_that_a_transform_holds_back_is_raised_at_the_end(source: Callable[..., Watched]) -> None:
    watched = source(b"1\nx\n2\n")
    found, error = await collect(pipe(watched, NDJSONDecoder()))
    assert found == [1]
    assert "line 2" in str(error)
    assert watched.closed == 1


@pytest.mark.parametrize("source", SOURCES)
async def test_closing_early_closes_the_source_once(source: Callable[..., Watched]) -> None:
    watched = source(1, 2, 3)
    outputs = pipe(watched, Double())
    assert [await anext(outputs), await anext(outputs), await outputs.asend(None)] == [1, 1, 2]
    await outputs.aclose()
    await outputs.aclose()
    assert watched.closed == 1
    assert await collect(outputs) == ([], None)


@pytest.mark.parametrize("source", SOURCES)
async def test_closing_before_the_first_item_closes_the_source_too(source: Callable[..., Watched]) -> None:
    watched = source(1)
    outputs = pipe(watched)
    await outputs.aclose()
    await outputs.aclose()
    assert watched.closed == 1
    assert await collect(outputs) == ([], None)


async def test_throwing_into_it_closes_the_source() -> None:
    watched = AsyncSource(1, 2)
    outputs = pipe(watched)
    assert await anext(outputs) == 1
    with pytest.raises(KeyError):
        await outputs.athrow(KeyError("x"))
    assert watched.closed == 1


@pytest.mark.parametrize("source", [AsyncSource, AsyncSDKStream])
async def test_cancelling_closes_the_source(source: Callable[..., Watched]) -> None:
    watched = source(hang=True)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(collect, pipe(watched, Double()))
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught
    assert watched.closed == 1


async def test_the_generators_finally_runs_before_aclose_returns() -> None:
    ended: list[str] = []

    async def generate() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            await anyio.lowlevel.checkpoint()
            ended.append("async")

    def generate_sync() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append("sync")

    for source in (generate(), generate_sync()):
        outputs = pipe(source)
        assert await anext(outputs) == 1
        await outputs.aclose()
    assert ended == ["async", "sync"]


async def test_a_source_that_fails_to_close_keeps_no_other_open() -> None:
    class Broken:
        async def aclose(self) -> None:
            raise OSError("stuck")

    watched = AsyncSource()
    with pytest.raises(OSError, match="stuck"):
        await close_all((Broken(), object(), watched))
    assert watched.closed == 1


@pytest.mark.parametrize("source", [None, 1, "text", b"bytes", {"a": 1}, object(), collect], ids=repr)
async def test_what_is_no_source_is_refused_at_once(source: Any) -> None:
    with pytest.raises(TypeError, match=r"^pipe: source must be an async or sync iterable of items, not "):
        pipe(source)
