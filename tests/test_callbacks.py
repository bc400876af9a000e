"""CallbackStream: chunks from a callback, in threads and on the event loop, as a stream."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

from gai_stream import sse_response
from gai_stream.callbacks import CallbackStream
from gai_stream.exceptions import LimitExceeded, StreamTimeout
from gai_stream.testing import ASGIClient

pytestmark = pytest.mark.anyio


async def drain(stream: CallbackStream) -> list[Any]:
    return [chunk async for chunk in stream]


def in_thread(work: Any) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


async def test_chunks_of_a_thread_come_in_order_without_the_empty_ones() -> None:
    stream = CallbackStream(limit=3)

    def work() -> None:
        with stream:
            for number in range(1000):
                stream(str(number))
                stream("")

    thread = in_thread(work)
    assert await drain(stream) == [str(number) for number in range(1000)]
    thread.join()


async def test_a_response_is_made_of_a_callback() -> None:
    stream = CallbackStream()

    def work() -> None:
        with stream as callback:
            callback("Hi")

    thread = in_thread(work)
    async with ASGIClient(sse_response(stream)) as client:
        assert '"text":"Hi"' in (await client.get("/")).text
    thread.join()


async def test_an_error_in_the_block_is_raised_on_the_other_side() -> None:
    stream = CallbackStream()

    def work() -> None:
        with stream:
            stream("a")
            raise KeyError("mine")

    thread = in_thread(work)
    got = []
    with pytest.raises(KeyError, match="mine"):
        async for chunk in stream:
            got.append(chunk)
    assert got == ["a"]
    assert await drain(stream) == []
    thread.join()


async def test_the_event_loops_own_task_may_call_too() -> None:
    stream = CallbackStream(limit=2)
    async with anyio.create_task_group() as tasks:

        async def work() -> None:
            for number in range(5):
                stream(number)
                await anyio.lowlevel.checkpoint()
                await anyio.lowlevel.checkpoint()
            stream.end()

        tasks.start_soon(work)
        assert await drain(stream) == [0, 1, 2, 3, 4]


async def test_the_event_loop_cannot_wait_for_room() -> None:
    stream = CallbackStream(limit=2)
    stream("a")
    stream("b")
    with pytest.raises(LimitExceeded, match="2 items wait to be taken: call this in a thread") as caught:
        stream("c")
    assert (caught.value.option, caught.value.limit) == ("limit", 2)
    stream.end()
    assert await drain(stream) == ["a", "b"]


async def test_a_thread_that_is_ahead_waits_until_it_is_told_that_nobody_reads() -> None:
    stream = CallbackStream(limit=1, send_timeout=None)
    stream("a")
    errors: list[Exception] = []

    def work() -> None:
        try:
            stream("b")
        except anyio.BrokenResourceError as exc:
            errors.append(exc)

    thread = in_thread(work)
    await stream.aclose()
    await anyio.to_thread.run_sync(thread.join)
    with pytest.raises(anyio.BrokenResourceError, match="nobody takes what this stream brings any more"):
        stream("c")
    assert len(errors) == 1


def test_a_thread_waits_no_longer_than_it_may_for_a_consumer_that_never_comes() -> None:
    stream = CallbackStream(limit=1, send_timeout=0.001)
    stream("a")
    with pytest.raises(StreamTimeout, match=r"nobody took anything for 0\.001 s"):
        stream("b")
    with pytest.raises(anyio.BrokenResourceError):
        stream("c")


def test_an_event_loop_that_ended_is_nobody() -> None:
    stream = CallbackStream()

    async def leave_waiting() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await stream._handover.take()

    in_thread(lambda: anyio.run(leave_waiting)).join()
    stream("a")
    with pytest.raises(anyio.BrokenResourceError):
        stream("b")


async def test_a_block_tells_nobody_that_nobody_reads() -> None:
    stream = CallbackStream()
    stream("a")
    chunks = aiter(stream)
    assert await anext(chunks) == "a"
    await chunks.aclose()  # type: ignore[attr-defined]
    with stream:
        stream("x")
    with pytest.raises(KeyError), stream:
        raise KeyError("somebody must see it")


async def test_what_is_no_exception_of_the_programs_passes_through() -> None:
    stream = CallbackStream()
    with pytest.raises(KeyboardInterrupt), stream:
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        await drain(stream)


async def test_nothing_comes_after_the_end() -> None:
    stream = CallbackStream()
    stream.end()
    stream.end(KeyError("too late"))
    with pytest.raises(anyio.BrokenResourceError):
        stream("a")
    assert await drain(stream) == []


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="limit must be a whole number of at least 1, not 0"):
        CallbackStream(limit=0)
    with pytest.raises(ValueError, match="send_timeout must be a number of seconds above 0"):
        CallbackStream(send_timeout=-1)
