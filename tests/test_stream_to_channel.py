"""stream_to_channel: every item in order, back-pressure, and a quiet end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
import sniffio
import trio
from anyio.lowlevel import checkpoint

from gai_stream.exceptions import DecodeError
from gai_stream.reader import Reader, stream_to_channel

pytestmark = pytest.mark.anyio


def tasks() -> int:
    """How many tasks are alive in this event loop."""
    if sniffio.current_async_library() == "trio":
        return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


class Source:
    """An async source of `items` that counts how often it was closed."""

    def __init__(self, *items: Any, error: BaseException | None = None, hang: bool = False) -> None:
        self.items = iter(items)
        self.error = error
        self.hang = hang
        self.pulled = 0
        self.closed = 0

    def __aiter__(self) -> Source:
        return self

    async def __anext__(self) -> Any:
        await checkpoint()
        for item in self.items:
            self.pulled += 1
            return item
        if self.hang:
            await anyio.sleep_forever()
        raise self.error or StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1
        await checkpoint()


async def test_every_item_is_sent_and_the_channel_closed() -> None:
    chunks = Source(b'{"type":"start"}\n{"type":"text_delta"}\n', b'{"type":"finish"}\n{"type":"done"}\n')
    send, receive = anyio.create_memory_object_stream[Any](100)
    async with anyio.create_task_group() as group:
        group.start_soon(stream_to_channel, Reader(chunks), send)
        types = [value["type"] async for value in receive]
    assert types == ["start", "text_delta", "finish", "done"]
    assert chunks.closed == 1
    receive.close()


async def test_sync_iterables_are_streams() -> None:
    send, receive = anyio.create_memory_object_stream[int](0)
    async with anyio.create_task_group() as group, receive:
        group.start_soon(stream_to_channel, (n for n in range(5)), send)
        assert [value async for value in receive] == [0, 1, 2, 3, 4]


async def test_a_full_channel_slows_the_reader() -> None:
    source = Source(*range(100))
    send, receive = anyio.create_memory_object_stream[int](3)
    async with anyio.create_task_group() as group, receive:
        group.start_soon(stream_to_channel, source, send)
        await anyio.wait_all_tasks_blocked()
        assert source.pulled == 4
        assert await receive.receive() == 0
        await anyio.wait_all_tasks_blocked()
        assert source.pulled == 5
        assert [value async for value in receive] == list(range(1, 100))


@pytest.mark.parametrize("size", [0, 2])
async def test_closing_the_receiver_ends_it_quietly(size: int) -> None:
    source = Source(*range(100))
    send, receive = anyio.create_memory_object_stream[int](size)
    async with anyio.create_task_group() as group:
        group.start_soon(stream_to_channel, source, send)
        assert await receive.receive() == 0
        receive.close()
    assert source.closed == 1
    assert source.pulled < 6
    assert send.statistics().open_send_streams == 0


@pytest.mark.parametrize("error", [OSError("gone"), anyio.BrokenResourceError()], ids=repr)
async def test_an_error_of_the_stream_is_raised_behind_its_items_with_the_channel_closed(error: Exception) -> None:
    source = Source(1, 2, error=error)
    send, receive = anyio.create_memory_object_stream[int](10)
    with pytest.raises(type(error)):
        await stream_to_channel(source, send)
    assert [value async for value in receive] == [1, 2]
    receive.close()
    assert source.closed == 1


async def test_a_bad_line_ends_it_behind_the_good_values() -> None:
    send, receive = anyio.create_memory_object_stream[int](10)
    with pytest.raises(DecodeError, match="line 2"):
        await stream_to_channel(Reader([b"1\nx\n2\n"]), send)
    assert [value async for value in receive] == [1]
    receive.close()


async def test_cancelling_closes_sources_and_channels_and_leaves_no_task() -> None:
    before = tasks()
    sources = [Source(1, 2, 3, hang=hang) for hang in (True, False) for _ in range(25)]
    pairs = [anyio.create_memory_object_stream[int](size) for size in (10, 1) for _ in range(25)]
    async with anyio.create_task_group() as group:
        for source, (send, _) in zip(sources, pairs, strict=True):
            group.start_soon(stream_to_channel, source, send)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert [source.closed for source in sources] == [1] * 50
    assert [send.statistics().open_send_streams for send, _ in pairs] == [0] * 50
    assert tasks() == before
    for _, receive in pairs:
        receive.close()


async def test_the_generators_finally_runs_in_the_task_that_iterated() -> None:
    where: list[int] = []

    async def generate() -> AsyncGenerator[int, None]:
        where.append(anyio.get_current_task().id)
        try:
            while True:
                yield 1
        finally:
            where.append(anyio.get_current_task().id)

    send, receive = anyio.create_memory_object_stream[int](1)
    async with anyio.create_task_group() as group:
        group.start_soon(stream_to_channel, generate(), send)
        await receive.receive()
        receive.close()
    gc.collect()
    assert len(where) == 2
    assert where[0] == where[1]


async def test_what_is_no_stream_is_refused_and_the_channel_closed() -> None:
    send, receive = anyio.create_memory_object_stream[int](1)
    with pytest.raises(TypeError, match=r"^stream_to_channel: stream must be an async or sync iterable, not int$"):
        await stream_to_channel(5, send)  # type: ignore[arg-type]
    assert [value async for value in receive] == []
    receive.close()
