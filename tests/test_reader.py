"""Reader: values out of chunks, errors that end nothing, and nothing left behind."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest
import sniffio
import trio
from anyio.lowlevel import checkpoint

from gai_stream import reader as reader_module
from gai_stream.exceptions import DecodeError, LimitExceeded
from gai_stream.reader import Reader

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


class SyncSource:
    """The same, sync."""

    def __init__(self, *items: Any, error: Exception | None = None) -> None:
        self.items = iter(items)
        self.error = error
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        yield from self.items
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed += 1


BOTH: list[Callable[..., Any]] = [Source, SyncSource]


class TestReader:
    @pytest.mark.parametrize("source", BOTH)
    async def test_four_objects_then_the_end(self, source: Callable[..., Any]) -> None:
        chunks = source(b'{"type":"start"}\n{"ty', b'pe":"text_delta"}\r\n\n', b'{"type":"finish"}\n{"type":"done"}')
        reader = Reader(chunks)
        assert [value["type"] async for value in reader] == ["start", "text_delta", "finish", "done"]
        with pytest.raises(StopAsyncIteration):
            await anext(reader)
        assert chunks.closed == 1

    async def test_files_lists_and_generators_are_sources(self) -> None:
        async def generate() -> AsyncIterator[bytes]:
            yield b"1\n"
            yield b"2"

        for chunks in (io.BytesIO(b"1\n2"), [b"1", b"\n2"], generate(), (b for b in [b"1\n2\n"])):
            assert [value async for value in Reader(chunks)] == [1, 2]
        assert [value async for value in Reader([])] == []

    async def test_values_come_before_more_is_read(self) -> None:
        chunks = Source(b"1\n2\n3", b"\n", hang=True)
        async with Reader(chunks) as reader:
            assert [await anext(reader), await anext(reader)] == [1, 2]
            assert chunks.pulled == 1
            assert await anext(reader) == 3
            assert chunks.pulled == 2

    @pytest.mark.parametrize("source", BOTH)
    async def test_iteration_goes_on_behind_a_bad_line(self, source: Callable[..., Any]) -> None:
        chunks = source(b"1\nx\n2\ny\nz", b"\n3\n", b"12345678901", b"\n4\nw")
        reader = Reader(chunks, max_line_size=10)
        found: list[Any] = []
        while True:
            try:
                found.append(await anext(reader))
            except DecodeError as exc:
                found.append((exc.line_number, exc.line))
            except LimitExceeded as exc:
                found.append(exc.option)
            except StopAsyncIteration:
                break
        assert found == [1, (2, b"x"), 2, (4, b"y"), (5, b"z"), 3, "max_line_size", 4, (9, b"w")]
        assert chunks.closed == 1

    async def test_options_reach_the_decoder(self) -> None:
        told: list[int | None] = []
        data = [b"18446744073709551616\nx\n1\n"]
        assert [v async for v in Reader(data, exact_ints=True, on_error="skip")] == [2**64, 1]
        reader = Reader(data, loads=json.loads, on_error=lambda exc: told.append(exc.line_number))
        assert [v async for v in reader] == [2**64, 1]
        assert told == [2]
        with pytest.raises(ValueError, match="max_line_size"):
            Reader(data, max_line_size=0)

    @pytest.mark.parametrize("source", BOTH)
    async def test_an_error_of_the_source_comes_behind_the_values_and_ends_it(self, source: Callable[..., Any]) -> None:
        chunks = source(b"1\n2\n3", error=OSError("gone"))
        reader = Reader(chunks)
        assert [await anext(reader), await anext(reader)] == [1, 2]
        with pytest.raises(OSError, match="gone"):
            await anext(reader)
        assert [v async for v in reader] == []
        assert chunks.closed == 1

    @pytest.mark.parametrize("source", BOTH)
    async def test_leaving_early_closes_the_source_once(self, source: Callable[..., Any]) -> None:
        chunks = source(b"1\n2\nx\n", b"3\n")
        async with Reader(chunks) as reader:
            async for value in reader:
                assert value == 1
                break
        await reader.aclose()
        assert chunks.closed == 1
        assert [v async for v in reader] == []

    async def test_closing_before_the_first_value_closes_the_source(self) -> None:
        chunks = Source(b"1\n")
        await Reader(chunks).aclose()
        assert chunks.closed == 1

    async def test_the_stream_behind_an_iterator_is_closed_too(self) -> None:
        class SDKStream:
            closed = 0

            async def __aiter__(self) -> AsyncIterator[bytes]:
                yield b"1\n"
                yield b"2\n"

            async def close(self) -> None:
                self.closed += 1

        stream = SDKStream()
        async with Reader(stream) as reader:
            assert await anext(reader) == 1
        assert stream.closed == 1

    async def test_text_is_refused_and_the_fix_named(self) -> None:
        chunks = SyncSource(b"1\n", "2\n")
        async with Reader(chunks) as reader:
            assert await anext(reader) == 1
            with pytest.raises(TypeError, match=r"chunks must be bytes, not str: use text.encode\(\)"):
                await anext(reader)
        assert chunks.closed == 1

    @pytest.mark.parametrize("chunks", [None, 1, b"1\n", "1\n", {"a": 1}, object()], ids=repr)
    async def test_what_is_no_source_is_refused_at_once(self, chunks: Any) -> None:
        with pytest.raises(TypeError, match=r"^Reader: chunks must be an async or sync iterable of bytes, not "):
            Reader(chunks)

    async def test_cancelled_readers_leave_no_task_and_no_open_source(self) -> None:
        before = tasks()
        sources = [Source(b"1\n2\nx", hang=True) for _ in range(50)]
        values: list[Any] = []

        async def consume(source: Source) -> None:
            async for value in Reader(source):
                values.append(value)

        async with anyio.create_task_group() as group:
            for source in sources:
                group.start_soon(consume, source)
            await anyio.wait_all_tasks_blocked()
            assert tasks() >= before + 50
            group.cancel_scope.cancel()
        assert len(values) == 100
        assert [source.closed for source in sources] == [1] * 50
        assert tasks() == before

    async def test_cancelling_lets_the_source_finish_its_cleanup(self) -> None:
        ended: list[str] = []

        class Slow(Source):
            async def aclose(self) -> None:
                await checkpoint()
                await checkpoint()
                ended.append("closed")

        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(anext, Reader(Slow(hang=True)))
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
        assert ended == ["closed"]

    @pytest.mark.parametrize("sync", [True, False])
    async def test_a_source_that_never_waits_lets_others_run(self, sync: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = iter(range(10_000))
        monkeypatch.setattr(reader_module, "monotonic", lambda: next(clock) * 0.001)
        seen: set[int] = set()
        count = 0

        async def watch() -> None:
            while True:
                seen.add(count)
                await checkpoint()

        async def never_waiting() -> AsyncIterator[bytes]:
            for _ in range(1000):
                yield b"1\n"

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            async for _ in Reader([b"1\n"] * 1000 if sync else never_waiting()):
                count += 1
            group.cancel_scope.cancel()
        assert count == 1000
        assert len(seen) > 100

    async def test_a_source_that_never_waits_can_be_cancelled(self) -> None:
        def endless() -> Iterator[bytes]:
            while True:
                yield b"1\n"

        count = 0
        with anyio.CancelScope() as scope:
            async for _ in Reader(endless()):
                count += 1
                if count == 10:
                    scope.cancel()
        assert scope.cancelled_caught


@pytest.mark.parametrize(
    "anyio_backend", [("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})], ids=["trio"]
)
async def test_a_source_that_does_not_close_is_left_behind_after_five_seconds(anyio_backend: Any) -> None:
    class Stuck(Source):
        async def aclose(self) -> None:
            self.closed += 1
            await anyio.sleep_forever()

    stuck = Stuck(b"1\n")
    start = anyio.current_time()
    async with Reader(stuck) as reader:
        assert await anext(reader) == 1
    assert stuck.closed == 1
    assert anyio.current_time() - start == pytest.approx(5.0)
