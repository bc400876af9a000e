"""Writer: order, atomicity, coalescing, timers, back-pressure, failures and the end."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import Coroutine
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import sniffio
from anyio import get_running_tasks
from anyio import sleep as virtual_sleep
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.exceptions import EncodeError, StreamTimeout
from gai_stream.ndjson import NDJSONEncoder
from gai_stream.sse import ServerSentEvent, SSEDecoder, SSEEncoder
from gai_stream.writer import Writer
from gai_stream.writer.outbox import DONE
from gai_stream.writer.texts import texts_of_messages

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("tasks_of_either_kind")]


virtual_clock = pytest.mark.parametrize("anyio_backend", ["trio-clock"], indirect=True)


class Wire:
    """A transport that remembers what it took and when, and that can be slow or stuck."""

    def __init__(self, delay: float = 0.0) -> None:
        self.chunks: list[bytes] = []
        self.times: list[float] = []
        self.delay = delay
        self.gate: anyio.Event | None = None
        self.started_at = 0.0

    async def send(self, chunk: bytes) -> None:
        if self.delay:
            await virtual_sleep(self.delay)
        if self.gate is not None:
            await self.gate.wait()
        self.chunks.append(chunk)
        self.times.append(anyio.current_time() - self.started_at)

    def start_clock(self) -> None:
        self.started_at = anyio.current_time()

    @property
    def bytes(self) -> bytes:
        return b"".join(self.chunks)


async def settle() -> None:
    """Let every other task run as far as it can without a timer."""
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("heartbeat", [15.0, None], ids=["timers", "no-timers"])
async def test_messages_leave_in_order_and_the_tail_leaves_before_the_context_ends(heartbeat: float | None) -> None:
    wire = Wire()
    async with Writer(wire.send, heartbeat=heartbeat) as writer:
        for number in range(100):
            await writer.write(str(number))
    assert wire.bytes == b"".join(b"data: %d\n\n" % number for number in range(100))
    assert writer.bytes_sent == len(wire.bytes)


@pytest.mark.parametrize("heartbeat", [15.0, None], ids=["timers", "no-timers"])
async def test_a_message_leaves_at_once_when_the_transport_is_idle(heartbeat: float | None) -> None:
    wire = Wire()
    async with Writer(wire.send, heartbeat=heartbeat) as writer:
        for number in range(3):
            await writer.write(str(number))
            await settle()
            assert wire.chunks[-1] == b"data: %d\n\n" % number
    assert len(wire.chunks) == 3


@pytest.mark.parametrize("heartbeat", [15.0, None], ids=["timers", "no-timers"])
async def test_what_arrives_during_a_send_leaves_together_in_the_next_one(heartbeat: float | None) -> None:
    wire = Wire()
    async with Writer(wire.send, heartbeat=heartbeat) as writer, anyio.create_task_group() as tasks:
        wire.gate = anyio.Event()
        tasks.start_soon(writer.write, "first")
        await settle()
        for number in range(50):
            tasks.start_soon(writer.write, str(number))
        await settle()
        assert wire.chunks == []
        wire.gate.set()
    first, second = wire.chunks
    assert first == b"data: first\n\n"
    assert sorted(int(message.data) for message in SSEDecoder().feed(second)) == list(range(50))


async def test_many_tasks_write_whole_messages() -> None:
    wire = Wire()

    async def produce(writer: Writer, name: int) -> None:
        for number in range(20):
            await writer.write(ServerSentEvent(f"{name}.{number}\nsecond line"))
            await anyio.lowlevel.checkpoint()

    async with Writer(wire.send) as writer, anyio.create_task_group() as tasks:
        for name in range(10):
            tasks.start_soon(produce, writer, name)
    messages = [message.data for message in SSEDecoder().feed(wire.bytes)]
    assert len(messages) == 200
    for name in range(10):
        own = [message for message in messages if message.startswith(f"{name}.")]
        assert own == [f"{name}.{number}\nsecond line" for number in range(20)]


@pytest.mark.parametrize("heartbeat", [15.0, None], ids=["timers", "no-timers"])
async def test_many_threads_write_whole_messages_in_their_own_order(heartbeat: float | None) -> None:
    wire = Wire()

    async with Writer(wire.send, NDJSONEncoder(), heartbeat=heartbeat) as writer:

        def produce(name: int) -> None:
            for number in range(20):
                writer.write_from_thread([name, number])

        threads = [threading.Thread(target=produce, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
    lines = [eval(line) for line in wire.bytes.splitlines()]
    assert len(lines) == 160
    for name in range(8):
        assert [number for who, number in lines if who == name] == list(range(20))


async def test_writing_from_the_loops_own_thread_is_refused_instead_of_deadlocking() -> None:
    async with Writer(Wire().send) as writer:
        with pytest.raises(RuntimeError, match="the event loop's own thread; use `await write"):
            writer.write_from_thread("x")


async def test_an_encode_error_in_a_thread_reaches_the_thread() -> None:
    async with Writer(Wire().send) as writer:
        with pytest.raises(EncodeError, match="cannot be written as JSON"):
            await anyio.to_thread.run_sync(writer.write_from_thread, {"x": object()})


@pytest.mark.parametrize("heartbeat", [15.0, None], ids=["timers", "no-timers"])
async def test_past_flush_size_unsent_bytes_write_waits(heartbeat: float | None) -> None:
    wire = Wire()
    accepted = 0

    async def produce(writer: Writer) -> None:
        nonlocal accepted
        for _ in range(100):
            await writer.write("x" * 92)
            accepted += 1

    async with Writer(wire.send, heartbeat=heartbeat, flush_size=1000) as writer, anyio.create_task_group() as tasks:
        wire.gate = anyio.Event()
        # Without timers the first writer is itself busy sending, so a second one meets the limit.
        tasks.start_soon(writer.write, "first")
        await settle()
        tasks.start_soon(produce, writer)
        await settle()
        assert 8 <= accepted <= 10
        wire.gate.set()
    assert accepted == 100
    assert max(len(chunk) for chunk in wire.chunks) <= 1100


async def test_no_task_is_started_when_no_timer_needs_one() -> None:
    before = len(get_running_tasks())
    async with Writer(Wire().send, heartbeat=None) as writer:
        await writer.write("x")
        assert len(get_running_tasks()) == before


async def test_tasks_end_with_the_context() -> None:
    before = len(get_running_tasks())
    async with Writer(Wire().send, heartbeat=1.0, flush_interval=1.0) as writer:
        await writer.write("x")
        await settle()
        assert len(get_running_tasks()) > before
    assert len(get_running_tasks()) == before


@virtual_clock
async def test_a_heartbeat_is_sent_only_after_silence() -> None:
    wire = Wire()
    async with Writer(wire.send, heartbeat=10.0) as writer:
        wire.start_clock()
        await virtual_sleep(6)
        await writer.write("x")
        await virtual_sleep(31)
    assert wire.chunks == [b"data: x\n\n", b": keep-alive\n", b": keep-alive\n", b": keep-alive\n"]
    assert wire.times == pytest.approx([6, 16, 26, 36])


@virtual_clock
async def test_a_busy_stream_needs_no_heartbeat() -> None:
    wire = Wire()
    async with Writer(wire.send, heartbeat=10.0) as writer:
        for _ in range(20):
            await writer.write("x")
            await virtual_sleep(9)
    assert b"keep-alive" not in wire.bytes


@virtual_clock
async def test_the_heartbeat_is_the_framings() -> None:
    wire = Wire()
    async with Writer(wire.send, NDJSONEncoder(), heartbeat=10.0):
        await virtual_sleep(15)
    assert wire.chunks == [b"\n"]


@virtual_clock
async def test_no_byte_follows_the_end() -> None:
    wire = Wire()
    async with Writer(wire.send, heartbeat=0.001) as writer:
        await writer.write("last")
    sent = list(wire.chunks)
    await virtual_sleep(100)
    assert wire.chunks == sent
    assert sent[-1] == b"data: last\n\n"
    for write in (writer.write, writer.comment):
        with pytest.raises(anyio.ClosedResourceError, match="nothing can be written after its end"):
            await write("late")
    with pytest.raises(anyio.ClosedResourceError):
        await writer.flush()
    assert wire.chunks == sent


@virtual_clock
async def test_heartbeats_stand_between_messages_never_inside() -> None:
    wire = Wire(delay=0.7)
    async with Writer(wire.send, heartbeat=0.5) as writer:
        for number in range(50):
            await writer.write(ServerSentEvent(f"{number}\nmore"))
            await virtual_sleep(number % 7)
    decoder = SSEDecoder(comments=True)
    messages = decoder.feed(wire.bytes)
    assert [m.data for m in messages if m.comment is None] == [f"{number}\nmore" for number in range(50)]
    assert {m.comment for m in messages if m.comment is not None} == {"keep-alive"}


@virtual_clock
async def test_hold_brings_the_first_heartbeat_forward_and_only_the_first() -> None:
    wire = Wire()
    async with Writer(wire.send, heartbeat=10.0, hold=2.0):
        wire.start_clock()
        await virtual_sleep(25)
    assert wire.times == pytest.approx([2, 12, 22])


@virtual_clock
async def test_hold_without_heartbeats_opens_the_transport_with_an_empty_send() -> None:
    wire = Wire()
    async with Writer(wire.send, heartbeat=None, hold=2.0):
        wire.start_clock()
        await virtual_sleep(1000)
    assert wire.chunks == [b""]
    assert wire.times == pytest.approx([2])


@virtual_clock
async def test_periodic_flush_sends_the_first_message_at_once_and_the_rest_together() -> None:
    wire = Wire()
    async with Writer(wire.send, flush_interval=1.0) as writer:
        wire.start_clock()
        for number in range(25):
            await writer.write(str(number))
            await virtual_sleep(0.1)
    assert wire.chunks[0] == b"data: 0\n\n"
    assert wire.times[:3] == pytest.approx([0, 1, 2])
    assert wire.bytes == b"".join(b"data: %d\n\n" % number for number in range(25))
    assert len(wire.chunks) == 4, "the tail leaves at the end, not an interval later"
    assert wire.times[3] == pytest.approx(2.5)


@virtual_clock
async def test_periodic_flush_does_not_wait_past_flush_size() -> None:
    wire = Wire()
    async with Writer(wire.send, flush_interval=1000.0, flush_size=100) as writer:
        wire.start_clock()
        for _ in range(10):
            await writer.write("x" * 42)
    assert wire.times[-1] == pytest.approx(0)


@virtual_clock
async def test_flush_does_not_wait_for_the_interval() -> None:
    wire = Wire()
    async with Writer(wire.send, flush_interval=1000.0) as writer:
        wire.start_clock()
        await writer.write("a")
        await writer.flush()
        await writer.write("b")
        await writer.flush()
        assert wire.bytes == b"data: a\n\ndata: b\n\n"
        await writer.comment("note")
        assert wire.bytes.endswith(b": note\n")
        assert wire.times[-1] == pytest.approx(0)


@virtual_clock
@pytest.mark.parametrize("heartbeat", [15.0, 100.0, None])
async def test_a_send_that_takes_too_long_ends_the_stream(heartbeat: float | None) -> None:
    wire = Wire(delay=math.inf)
    started = anyio.current_time()
    with pytest.raises(StreamTimeout, match=r"took nothing for 30\.0 s \(send_timeout\)"):
        async with Writer(wire.send, heartbeat=heartbeat) as writer:
            await virtual_sleep(7)
            await writer.write("x")
            await anyio.sleep_forever()
    assert anyio.current_time() - started == pytest.approx(37)
    assert wire.chunks == []


@virtual_clock
async def test_a_slow_send_within_the_limit_is_no_error() -> None:
    wire = Wire(delay=29)
    async with Writer(wire.send) as writer:
        for _ in range(3):
            await writer.write("x")
            await writer.flush()
    assert len(wire.bytes) == 3 * len(b"data: x\n\n")


@pytest.mark.parametrize("heartbeat", [15.0, None], ids=["timers", "no-timers"])
async def test_a_failing_transport_cancels_the_block_and_raises_its_own_error(heartbeat: float | None) -> None:
    async def send(chunk: bytes) -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        async with Writer(send, heartbeat=heartbeat) as writer:
            await writer.write("x")
            await anyio.sleep_forever()
    assert isinstance(writer.failure, OSError)
    with pytest.raises(OSError, match="gone"):
        await writer.write("y")


@pytest.mark.parametrize("heartbeat", [15.0, None], ids=["timers", "no-timers"])
async def test_a_transport_that_fails_at_the_very_end_is_not_overlooked(heartbeat: float | None) -> None:
    wire = Wire()

    async def send(chunk: bytes) -> None:
        if b"last" in chunk:
            raise OSError("gone")
        await wire.send(chunk)

    with pytest.raises(OSError, match="gone"):
        async with Writer(send, heartbeat=heartbeat) as writer:
            await writer.write("a")
            with contextlib.suppress(OSError):
                await writer.write("last")


@pytest.mark.parametrize("heartbeat", [15.0, None], ids=["timers", "no-timers"])
async def test_an_error_in_the_block_keeps_what_was_written_and_passes_unwrapped(heartbeat: float | None) -> None:
    wire = Wire()
    cause = KeyError("cause")
    with pytest.raises(ValueError, match="mine") as caught:
        async with Writer(wire.send, heartbeat=heartbeat) as writer:
            await writer.write("before")
            raise ValueError("mine") from cause
    assert caught.value.__cause__ is cause
    assert wire.bytes == b"data: before\n\n"


@pytest.mark.parametrize("heartbeat", [15.0, None], ids=["timers", "no-timers"])
async def test_an_unserialisable_value_writes_nothing_and_the_stream_goes_on(heartbeat: float | None) -> None:
    wire = Wire()
    async with Writer(wire.send, SSEEncoder(ids=count(1)), heartbeat=heartbeat) as writer:
        await writer.write("a")
        with pytest.raises(EncodeError):
            await writer.write({"x": object()})
        await writer.write("b")
    assert wire.bytes == b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n"


@pytest.mark.parametrize("heartbeat", [15.0, None], ids=["timers", "no-timers"])
async def test_cancelling_the_block_sends_nothing_more(heartbeat: float | None) -> None:
    wire = Wire()
    before = len(get_running_tasks())
    with anyio.CancelScope() as scope:
        async with Writer(wire.send, heartbeat=heartbeat) as writer:
            await writer.write("a")
            await settle()
            wire.gate = anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(writer.write, "b")
                await settle()
                scope.cancel()
    assert wire.bytes == b"data: a\n\n"
    assert len(get_running_tasks()) == before


async def test_a_cancelled_inline_send_breaks_the_stream_instead_of_mixing_messages() -> None:
    wire = Wire()
    wire.gate = anyio.Event()
    with pytest.raises(anyio.BrokenResourceError):
        async with Writer(wire.send, heartbeat=None) as writer:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await writer.write("half")
            wire.gate.set()
            await writer.write("next")
    assert wire.chunks == []


async def test_comments_go_to_clients_that_can_skip_them_only() -> None:
    wire = Wire()
    async with Writer(wire.send) as writer:
        await writer.comment("hello")
        with pytest.raises(EncodeError, match="comment"):
            await writer.comment("two\nlines")
    assert wire.bytes == b": hello\n"
    async with Writer(wire.send, NDJSONEncoder()) as writer:
        with pytest.raises(EncodeError, match="NDJSON has no comments"):
            await writer.comment("hello")


def test_headers_serve_any_http_library() -> None:
    assert Writer(Wire().send).headers == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache, no-store, must-revalidate, no-transform",
        "x-accel-buffering": "no",
    }
    assert Writer(Wire().send, NDJSONEncoder()).headers["content-type"] == "application/x-ndjson"


@pytest.mark.parametrize("option", ["heartbeat", "flush_interval", "send_timeout", "hold"])
@pytest.mark.parametrize("value", [0, -1, 0.0, math.nan, math.inf, True, "15"])
def test_a_meaningless_interval_is_refused_by_name(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{option} must be a number of seconds above 0"):
        Writer(Wire().send, **{option: value})


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "1"])
def test_a_meaningless_flush_size_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match="flush_size must be a whole number of bytes"):
        Writer(Wire().send, flush_size=value)


async def test_a_writer_is_entered_once_and_before_writing() -> None:
    writer = Writer(Wire().send)
    with pytest.raises(RuntimeError, match="enter the Writer first"):
        await writer.write("x")
    with pytest.raises(RuntimeError, match="enter the Writer first"):
        writer.write_from_thread("x")
    async with writer:
        pass
    with pytest.raises(RuntimeError, match="make a new one"):
        async with writer:
            pass


async def test_two_writers_on_two_event_loops_in_one_process() -> None:
    """Nothing is kept at module level: the same code runs on a second loop in another thread."""
    wire = Wire()

    def other_loop() -> bytes:
        other = Wire()

        async def main() -> None:
            async with Writer(other.send) as writer:
                await writer.write("other")

        anyio.run(main)
        return other.bytes

    async with Writer(wire.send) as writer:
        await writer.write("one")
        assert await anyio.to_thread.run_sync(other_loop) == b"data: other\n\n"
    assert wire.bytes == b"data: one\n\n"


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in a send"])
async def test_an_error_of_until_reaches_the_caller_as_itself(busy: bool) -> None:
    wire = Wire()
    wire.gate = anyio.Event()

    async def until() -> None:
        await settle()
        raise KeyError("until")

    with pytest.raises(KeyError, match="until"):
        async with Writer(wire.send, until=until) as writer:
            if busy:
                await writer.write("x")
            await anyio.sleep_forever()
    with pytest.raises(KeyError, match="until"):
        await writer.write("y")


async def test_a_transport_that_cancels_itself_is_no_clean_end() -> None:
    """Nobody cancelled the block, so nothing but an error may come out of it."""

    async def send(chunk: bytes) -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class() as exc:
                own = exc
        raise own

    with pytest.raises(anyio.BrokenResourceError, match="a send was cancelled"):
        async with Writer(send) as writer:
            await writer.write("x")
            await anyio.sleep_forever()


@pytest.mark.parametrize("heartbeat", [15.0, None], ids=["timers", "no-timers"])
async def test_flush_waits_for_what_was_written_before_it_only(heartbeat: float | None) -> None:
    wire = Wire()
    flushed = False

    async def send(chunk: bytes) -> None:
        await settle()
        await wire.send(chunk)

    async with Writer(send, heartbeat=heartbeat) as writer, anyio.create_task_group() as tasks:

        async def others() -> None:
            # Something new is always written before the send under way is over.
            while not flushed:
                tasks.start_soon(writer.write, "other")
                await anyio.lowlevel.checkpoint()

        tasks.start_soon(others)
        await settle()
        with anyio.fail_after(5):
            tasks.start_soon(writer.write, "mine")
            await anyio.lowlevel.checkpoint()
            await writer.flush()
        flushed = True
        assert b"mine" in wire.bytes


async def test_who_waits_in_write_is_let_go_when_the_block_is_cancelled() -> None:
    scope = anyio.CancelScope()
    wire = Wire()
    wire.gate = anyio.Event()

    async def write(writer: Writer) -> None:
        scope.cancel()
        with pytest.raises(anyio.BrokenResourceError, match="was cancelled"):
            await writer.write("x" * 100)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            with scope:
                async with Writer(wire.send, flush_size=10) as writer:
                    await settle()
                    tasks.start_soon(write, writer)
                    await anyio.sleep_forever()
    assert scope.cancelled_caught


@virtual_clock
async def test_a_flush_interval_longer_than_the_heartbeat_leaves_no_silence() -> None:
    wire = Wire()
    async with Writer(wire.send, heartbeat=10.0, flush_interval=60.0) as writer:
        wire.start_clock()
        for number in range(4):
            await writer.write(str(number))
            await virtual_sleep(6)
    assert wire.times == pytest.approx([0, 10, 20])
    assert wire.bytes == b"".join(b"data: %d\n\n" % number for number in range(4))


@virtual_clock
async def test_the_first_message_does_not_wait_for_the_interval_behind_a_heartbeat() -> None:
    wire = Wire()
    async with Writer(wire.send, heartbeat=10.0, hold=2.0, flush_interval=5.0) as writer:
        wire.start_clock()
        await virtual_sleep(3)
        await writer.write("first")
        await virtual_sleep(1)
        await writer.write("second")
        await virtual_sleep(5)
    assert wire.chunks == [b": keep-alive\n", b"data: first\n\n", b"data: second\n\n"]
    assert wire.times == pytest.approx([2, 3, 8])


async def test_messages_keep_the_order_in_which_write_was_called() -> None:
    """A text that joins a run and a value that is framed at once: neither overtakes the other."""
    wire = Wire()
    async with Writer(wire.send) as writer:
        await writer.write("0")
        writes = [writer.write(number if number % 3 else str(number)) for number in range(1, 10)]
        for write in reversed(writes):
            await write
    assert wire.bytes == b"".join(b"data: %d\n\n" % number for number in range(10))


async def test_write_can_be_given_to_whatever_starts_tasks() -> None:
    wire = Wire()
    async with Writer(wire.send) as writer:
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(writer.write, str(number))
        if asyncio_runs():
            await asyncio.gather(*(writer.write(str(number)) for number in range(5, 10)))
            await asyncio.create_task(writer.write("10"))
    numbers = sorted(int(message.data) for message in SSEDecoder().feed(wire.bytes))
    assert numbers == list(range(11 if asyncio_runs() else 5))


def asyncio_runs() -> bool:
    return sniffio.current_async_library() == "asyncio"


def test_a_write_with_nothing_to_wait_for_is_a_coroutine_that_is_over() -> None:
    with pytest.raises(StopIteration):
        DONE.send(None)
    with pytest.raises(KeyError):
        DONE.throw(KeyError())
    DONE.close()
    assert isinstance(DONE, Coroutine)


@given(st.lists(st.text(alphabet="a\n\r\u2028\ud800é語:", max_size=8), min_size=1, max_size=8))
def test_a_run_of_texts_is_framed_as_each_by_itself_is(texts: list[str]) -> None:
    assert SSEEncoder().feed_texts(texts) == b"".join(block for text in texts for block in SSEEncoder().feed(text))
    run = texts_of_messages(SSEEncoder())
    assert run is not None
    for text in texts:
        assert len(run.join([text])) >= len(text) + run.overhead or "\ud800" in text or "\r" in text


@pytest.mark.parametrize("make", [lambda: SSEEncoder(ids=count(1)), lambda: SSEEncoder(retry=1), NDJSONEncoder])
async def test_texts_that_the_framing_must_see_one_by_one_are_no_run(make: Any) -> None:
    framing = make()
    assert texts_of_messages(framing) is None
    wire = Wire()
    async with Writer(wire.send, framing) as writer:
        for number in range(3):
            await writer.write(str(number))
    assert len(wire.bytes.split(b"\n")) >= 4


@pytest.mark.parametrize("flush_size", [1, 10, 100, 16384])
async def test_runs_of_texts_hold_to_flush_size(flush_size: int) -> None:
    """What is not framed yet is counted too: neither short texts nor wide characters pile up."""
    wire = Wire()
    longest = 0

    async def send(chunk: bytes) -> None:
        nonlocal longest
        longest = max(longest, len(chunk))
        await wire.send(chunk)

    texts = ["", "語" * 7, "x", "x" * 300] * 300
    async with Writer(send, flush_size=flush_size) as writer:
        for text in texts:
            await writer.write(text)
    assert [message.data for message in SSEDecoder().feed(wire.bytes)] == texts
    # A message may be cut from none, and of a run up to a quarter of `flush_size` characters may be wider than a byte.
    assert longest <= 2 * flush_size + 310


async def test_a_task_that_mistakes_its_cancellation_for_something_else_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gai_stream.writer.tasks._PATIENCE", 0.01)
    mistakes = 0

    async def until() -> None:
        nonlocal mistakes
        while mistakes < 2:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                mistakes += 1

    with anyio.fail_after(10):
        async with Writer(Wire().send, until=until) as writer:
            await writer.write("x")
            await settle()
    assert mistakes == 2


async def test_nobody_leaves_before_the_tasks_have() -> None:
    """A cancellation that arrives while leaving waits for them: what they sent would come after the end."""
    ended = False

    async def until() -> None:
        nonlocal ended
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await settle()
            ended = True

    with anyio.CancelScope() as scope:
        async with Writer(Wire().send, until=until) as writer:
            await writer.write("x")
            await settle()
            scope.cancel()
    assert ended


@virtual_clock
async def test_an_error_of_the_heartbeat_ends_the_stream_as_itself() -> None:
    class Broken(SSEEncoder):
        @property
        def heartbeat(self) -> bytes:
            raise KeyError("heartbeat")

        @heartbeat.setter
        def heartbeat(self, value: bytes) -> None:
            pass

    with pytest.raises(KeyError, match="heartbeat"):
        async with Writer(Wire().send, Broken(), heartbeat=1.0):
            await anyio.sleep_forever()


async def test_a_timer_that_fails_ends_the_stream_on_every_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def tick(writer: Writer) -> None:
        raise KeyError("tick")

    monkeypatch.setattr(Writer, "_tick", tick)
    with pytest.raises(KeyError, match="tick"):
        async with Writer(Wire().send):
            await anyio.sleep_forever()


async def test_an_error_in_the_block_outlives_a_transport_that_fails_while_the_tasks_end() -> None:
    async def until() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise KeyError("until")

    with pytest.raises(ValueError, match="mine"):
        async with Writer(Wire().send, until=until) as writer:
            await writer.write("x")
            await settle()
            raise ValueError("mine")
