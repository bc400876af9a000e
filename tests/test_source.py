"""Source: any stream, item by item, closed in its own task."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from gai_stream.source import Source, check_stream

pytestmark = pytest.mark.anyio


async def drain(source: Source) -> list[Any]:
    return [item async for item in source]


class SDKStream:
    """Shaped as an SDK's stream: an async iterable whose `close` must be awaited."""

    def __init__(self) -> None:
        self.closed = 0

    async def __aiter__(self) -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("make", [list, tuple, deque, iter, lambda items: (item for item in items), set], ids=repr)
async def test_every_kind_of_sync_iterable_gives_its_items(make: Any) -> None:
    source = Source(make(["only"]))
    assert await drain(source) == ["only"]
    await source.aclose()


async def test_an_async_source_is_its_own_iterator() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    stream = numbers()
    source = Source(stream)
    assert aiter(source) is stream
    assert await drain(source) == [0, 1, 2]
    await source.aclose()


async def test_an_sdk_stream_is_closed_with_its_connection() -> None:
    stream = SDKStream()
    source = Source(stream)
    assert await anext(aiter(source)) == "a"
    await source.aclose()
    assert stream.closed == 1


async def test_a_worker_thread_hands_over_in_order_and_runs_ahead_only_so_far() -> None:
    made = 0

    def numbers() -> Iterator[int]:
        nonlocal made
        for number in range(5000):
            made += 1
            yield number

    source = Source(numbers())
    got = []
    async for number in source:
        got.append(number)
        assert made <= len(got) + 2 * 256 + 1
    assert got == list(range(5000))
    await source.aclose()


async def test_an_item_is_handed_over_while_the_next_one_still_blocks() -> None:
    release = threading.Event()

    def slow() -> Iterator[str]:
        yield "ready"
        assert release.wait(10)
        yield "later"

    source = Source(slow())
    with anyio.fail_after(5):
        assert await anext(aiter(source)) == "ready"
    release.set()
    assert await anext(aiter(source)) == "later"
    await source.aclose()


async def test_a_sync_source_runs_in_one_thread_and_not_in_ours() -> None:
    seen: set[int] = set()

    def where() -> Iterator[int]:
        try:
            for _ in range(600):
                seen.add(threading.get_ident())
                yield 0
        finally:
            seen.add(threading.get_ident())

    source = Source(where())
    await drain(source)
    await source.aclose()
    assert len(seen) == 1
    assert threading.get_ident() not in seen


async def test_an_error_in_the_thread_comes_behind_its_items() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("mine")

    source = Source(failing())
    got: list[int] = []
    with pytest.raises(KeyError, match="mine"):
        async for number in source:
            got.append(number)
    assert got == [1, 2]
    await source.aclose()


async def test_closing_ends_the_thread_at_its_next_item_and_runs_its_clean_up() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    source = Source(endless())
    await anext(aiter(source))
    await source.aclose()
    assert closed.is_set()


async def test_fifty_abandoned_threads_leave_none_behind() -> None:
    before = threading.active_count()

    def endless() -> Iterator[int]:
        while True:
            yield 0

    sources = [Source(endless()) for _ in range(50)]
    for source in sources:
        await anext(aiter(source))
    for source in sources:
        await source.aclose()
    for thread in threading.enumerate():
        if thread.name == "gai_stream source":
            thread.join(5)
    # Other tests' threads may end meanwhile.
    assert threading.active_count() <= before


async def test_a_source_that_was_never_started_is_closed_without_running() -> None:
    ran = False

    def generator() -> Iterator[int]:
        nonlocal ran
        ran = True
        yield 0

    async def asynchronous() -> AsyncIterator[int]:
        nonlocal ran
        ran = True
        yield 0

    for stream in (generator(), asynchronous()):
        await Source(stream).aclose()  # type: ignore[arg-type]
    assert not ran


async def test_an_error_while_closing_in_the_thread_is_raised() -> None:
    def failing() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise KeyError("clean-up")

    source = Source(failing())
    with pytest.raises(KeyError, match="clean-up"):
        await drain(source)
    await source.aclose()


class MessageStreamManager:
    """Shaped as what Anthropic's `messages.stream` returns: it asks when its block is entered."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __enter__(self) -> Iterator[str]:
        self.seen.append("entered")
        return iter("abc")

    def __exit__(self, *exc: object) -> None:
        self.seen.append("left")


class AsyncMessageStreamManager(MessageStreamManager):
    async def __aenter__(self) -> AsyncIterator[str]:
        self.seen.append("entered")
        return aiter(SDKStream())

    async def __aexit__(self, *exc: object) -> None:
        await anyio.lowlevel.checkpoint()
        self.seen.append("left")


@pytest.mark.parametrize(("make", "text"), [(MessageStreamManager, "abc"), (AsyncMessageStreamManager, "ab")])
async def test_a_manager_is_entered_when_it_is_pulled_and_left_when_it_is_closed(make: Any, text: str) -> None:
    manager = make()
    check_stream(manager)
    source = Source(manager)
    assert manager.seen == []
    assert "".join(await drain(source)) == text
    await source.aclose()
    assert manager.seen == ["entered", "left"]
    manager = make()
    source = Source(manager)
    assert await anext(aiter(source)) == "a"
    await source.aclose()
    assert manager.seen == ["entered", "left"]
    source = Source(manager)
    await source.aclose()
    assert manager.seen == ["entered", "left"]


async def test_a_stream_that_only_has_the_name_is_a_stream() -> None:
    class StreamManager(list[str]):
        """Closes nothing, enters nothing."""

    assert await drain(Source(StreamManager("ab"))) == ["a", "b"]


async def test_what_cannot_be_closed_says_so_behind_its_items() -> None:
    class Stream:
        def __iter__(self) -> Iterator[int]:
            return iter([1])

        def close(self) -> None:
            raise KeyError("stuck")

    source = Source(Stream())
    got = []
    with pytest.raises(KeyError, match="stuck"):
        async for item in source:
            got.append(item)
    assert got == [1]
    await source.aclose()


@pytest.mark.parametrize("stream", ["text", b"x", bytearray(), memoryview(b""), {}, 7, None, object()], ids=repr)
def test_what_is_no_stream_is_refused_saying_what_is(stream: Any) -> None:
    with pytest.raises(TypeError, match="such as a generator, a list or an SDK's stream, not "):
        check_stream(stream)


def test_a_coroutine_is_told_to_be_awaited() -> None:
    async def call() -> None: ...

    coroutine = call()
    with pytest.raises(TypeError, match="not coroutine; await it first"):
        check_stream(coroutine)
    coroutine.close()
