"""Order, coalescing, flush, heartbeat, back-pressure and the end: every timer that a stream needs is in here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, NoReturn, Self, cast

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import EventLoopToken, checkpoint, current_token

from gai_stream._options import check_bytes, check_seconds
from gai_stream.exceptions import StreamTimeout
from gai_stream.sse import SSEEncoder

from .framing import Framing

__all__ = ["Writer"]

# Longer than any stream lives, and short enough for every event loop's clock.
_NEVER = 86400.0 * 365


class Writer:
    """Write messages to a transport: in the order written, each whole, from any number of tasks and threads.

    When the transport is idle a message leaves at once; what arrives while a send is under way leaves together in
    the next one. Past `flush_size` unsent bytes `write` waits, so that a slow client slows its producer.
    With `flush_interval` (seconds) the first message leaves at once, later ones together and at most that late. After
    `heartbeat` seconds in which nothing was sent, the framing's heartbeat is. A send that takes longer than
    `send_timeout` seconds ends the stream with StreamTimeout. `hold` (seconds) is the wait for the very first
    message, before the first heartbeat opens the transport (an empty send does when heartbeats are off). `until` is
    awaited beside the writing: its return means that the client has left.

    Use it as an async context manager: leaving sends what is left and the framing's end, and after that no byte
    follows, ever. If the transport fails, what runs inside the context is cancelled, and leaving raises the transport's
    error (BrokenResourceError of anyio for a client that left). Tasks are started only for `heartbeat`, `hold`,
    `flush_interval` and `until`.

    `bytes_sent` counts what the transport took, `begun` says whether anything was given to it, and `failure` is the
    error that ended it.
    """

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[object]],
        framing: Framing | None = None,
        *,
        heartbeat: float | None = 15.0,
        flush_interval: float | None = None,
        flush_size: int = 16384,
        send_timeout: float | None = 30.0,
        hold: float | None = None,
        until: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        times = {"heartbeat": heartbeat, "flush_interval": flush_interval, "send_timeout": send_timeout, "hold": hold}
        for option, value in times.items():
            check_seconds(option, value)
        check_bytes("flush_size", flush_size)
        self.bytes_sent = 0
        self.begun = False
        self.failure: BaseException | None = None
        self._send = send
        self._framing: Framing = SSEEncoder() if framing is None else framing
        self._heartbeat = heartbeat
        self._flush_interval = flush_interval
        self._flush_size = flush_size
        self._send_timeout = send_timeout
        self._hold = hold
        self._until = until
        self._waiting: list[bytes] = []
        self._unsent = 0
        self._heartbeat_bytes = 0
        self._open = self._roused = False
        self._sending = False
        self._cut = False
        self._sent_something: anyio.Event | None = None
        self._tasks: TaskGroup | None = None
        self._starting: asyncio.Task[None] | None = None
        self._last_sent = self._send_started = 0.0
        # Set anew in `__aenter__`, but named here: CPython is slow to find what `__init__` does not set.
        self._wake = self._hurry = self._sends = self._clock = cast("Any", None)
        self._thread = 0
        self._token: EventLoopToken | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The response headers that this stream needs, whatever HTTP library sends them."""
        return {
            "content-type": self._framing.media_type,
            "cache-control": "no-cache, no-store, must-revalidate, no-transform",
            "x-accel-buffering": "no",
        }

    async def __aenter__(self) -> Self:
        if self._token is not None:
            raise RuntimeError("a Writer writes one stream: make a new one")
        self._token = current_token()
        self._thread = threading.get_ident()
        self._open = True
        loop = self._token.native_token
        # Asking anyio which loop runs, at each look at the clock, takes longer than the look.
        self._clock = loop.time if isinstance(loop, asyncio.AbstractEventLoop) else anyio.current_time
        self._last_sent = self._send_started = self._clock()
        self._wake = anyio.Event()
        self._hurry = anyio.Event()
        if (self._heartbeat, self._hold, self._flush_interval, self._until) != (None,) * 4:
            self._tasks = anyio.create_task_group()
            await self._tasks.__aenter__()
            # In the loop's next turn: a stream that is over by then never needs the group's tasks, which cost as much
            # as a hundred events. On asyncio one cheap task of a single step sees to that.
            if isinstance(loop, asyncio.AbstractEventLoop):
                self._starting = loop.create_task(self._start(self._tasks))
            else:
                await self._start(self._tasks)
        return self

    async def _start(self, tasks: TaskGroup) -> None:
        tasks.start_soon(self._pump)
        if self._heartbeat is not None or self._hold is not None or self._send_timeout is not None:
            tasks.start_soon(self._watch)
        if self._until is not None:
            tasks.start_soon(self._listen, self._until, tasks)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        own: BaseException | None = None
        try:
            # An error in the block does not take back what was written before it; a cancellation does.
            if exc is None or isinstance(exc, Exception):
                if exc is None and self._open:
                    self._append(self._framing.finish())
                self._open = self._roused = False
                while self._sending:
                    await self._next_send()
                await self._check()
                await self._drain(self._send_timeout)
        except BaseException as error:  # noqa: BLE001 (raised again below, once the tasks have ended)
            own = exc = error
        self._open = self._roused = False
        suppressed = None
        if self._starting is not None:
            self._starting.cancel()
        try:
            if self._tasks is not None:
                self._tasks.cancel_scope.cancel()
                suppressed = await self._tasks.__aexit__(type(exc) if exc else None, exc, traceback)
        except BaseExceptionGroup as group:
            # Nothing but `exc` and one task's error: who opened a Writer opened no group, and gets the error itself.
            for news in group.exceptions:
                if news is not exc and (self.failure is None or self._cut):
                    self._cut, self.failure = False, news
        finally:
            if self._unsent and self.failure is None:
                self._cut, self.failure = True, anyio.BrokenResourceError("the stream was cancelled")
            # Who still waits in `write` waits for a send that no longer comes.
            if self._sent_something is not None:
                self._sent_something.set()
        # A failing transport cancels the block: then the failure is the news, not the cancellation.
        cancelled = isinstance(exc, anyio.get_cancelled_exc_class())
        if self.failure is not None and (exc is None or (cancelled and (suppressed or not self._cut))):
            raise self.failure
        if own is not None:
            raise own
        return suppressed

    async def write(self, message: Any) -> None:
        """Write one message. Wait while more than `flush_size` bytes are unsent.

        Raises EncodeError (nothing of the message is written, and the stream goes on), ClosedResourceError of anyio
        after the end, and whatever the transport raised.
        """
        if not self._roused:
            if not self._open:
                await self._refuse()
            self._append(self._framing.feed(message))
            if self._tasks is not None:
                # Once for all that leaves together: this takes longer than all the rest.
                self._roused = True
                self._wake.set()
            elif not self._sending:
                await self._drain(self._send_timeout)
        else:
            for chunk in self._framing.feed(message):
                self._waiting.append(chunk)
                self._unsent += len(chunk)
        if self._unsent >= self._flush_size:
            if self._flush_interval is not None:
                self._hurry.set()
            await self._room()

    def write_from_thread(self, message: Any) -> None:
        """Write one message from a thread that is not the event loop's. Block as long as `write` would wait."""
        if threading.get_ident() == self._thread:
            raise RuntimeError("write_from_thread: this is the event loop's own thread; use `await write(...)`")
        anyio.from_thread.run(self.write, message, token=self._token)

    async def comment(self, text: str) -> None:
        """Write text that clients skip. Raises EncodeError where the framing has no comments, or for several lines."""
        if not self._open:
            await self._refuse()
        self._append([self._framing.comment(text)])
        await self._drained()

    async def flush(self) -> None:
        """Wait until everything written so far has left, without waiting for the flush interval."""
        if not self._open:
            await self._refuse()
        await self._drained()

    async def _refuse(self) -> NoReturn:
        """Say why nothing can be written."""
        await self._check()
        if self._token is None:
            raise RuntimeError("enter the Writer first: `async with Writer(...) as writer`")
        raise anyio.ClosedResourceError("the stream has ended: nothing can be written after its end")

    def _append(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self.begun = True
            self._waiting.append(chunk)
            self._unsent += len(chunk)

    async def _room(self) -> None:
        """Wait until less than `flush_size` bytes are unsent."""
        while self._unsent >= self._flush_size and self.failure is None:
            await self._next_send()
        await self._check()

    async def _next_send(self) -> None:
        if self._sent_something is None:
            self._sent_something = anyio.Event()
        await self._sent_something.wait()

    async def _drained(self) -> None:
        """Wait until everything written so far has left; what others write meanwhile may stay."""
        end = self.bytes_sent + self._unsent
        while self.bytes_sent < end and self.failure is None:
            if self._tasks is None and not self._sending:
                await self._drain(self._send_timeout)
            else:
                self._hurry.set()
                self._wake.set()
                await self._next_send()
        await self._check()

    async def _check(self) -> None:
        """Raise what ended the stream, if anything did."""
        if self._cut:
            # What cut the send off most likely means this task too, and then the cancellation is the news.
            await checkpoint()
        if self.failure is not None:
            raise self.failure

    async def _drain(self, timeout: float | None = None) -> None:
        """Send what waits, and what comes to wait meanwhile. Only one task is ever in here."""
        self._sending = True
        try:
            while self._waiting and self.failure is None:
                chunk = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
                self._waiting.clear()
                self._send_started = self._clock()
                if timeout is None:
                    await self._send(chunk)
                else:
                    with anyio.move_on_after(timeout) as scope:
                        await self._send(chunk)
                    if scope.cancelled_caught:
                        raise self._timed_out()
                self._last_sent = self._clock()
                self.bytes_sent += len(chunk)
                self._unsent -= len(chunk)
                if self._sent_something is not None:
                    self._sent_something.set()
                    self._sent_something = None
        except BaseException as exc:
            # Nobody knows how much of the chunk left: a message after it could begin in the middle of another.
            self._open = self._roused = False
            if self.failure is None:
                self._cut = isinstance(exc, anyio.get_cancelled_exc_class())
                self.failure = anyio.BrokenResourceError("a send was cancelled") if self._cut else exc
            raise
        finally:
            self._sending = False
            if self.failure is not None and self._sent_something is not None:
                self._sent_something.set()

    async def _pump(self) -> None:
        """Send whatever is ready, whenever something is."""
        with anyio.CancelScope() as self._sends:
            while True:
                await self._wake.wait()
                at_once = self._hurry.is_set() or self.bytes_sent <= self._heartbeat_bytes
                if self._flush_interval is not None and not at_once:
                    with anyio.move_on_after(self._last_sent + self._flush_interval - self._clock()):
                        await self._hurry.wait()
                self._wake = anyio.Event()
                if self._flush_interval is not None:
                    self._hurry = anyio.Event()
                if not self._sending:
                    await self._drain()
                self._roused = False
        if isinstance(self.failure, StreamTimeout):
            raise self.failure

    async def _watch(self) -> None:
        """Send heartbeats and end sends that take too long: one task that compares times, none per message."""
        heartbeat = self._heartbeat or _NEVER
        limit = self._send_timeout or _NEVER
        silence = min(heartbeat, self._hold or _NEVER)
        while True:
            now = self._clock()
            if self._sending:
                due = self._send_started + limit
                if now >= due:
                    self.failure = self._timed_out()
                    self._sends.cancel()
                    return
            elif not self._open:
                return
            else:
                due = self._last_sent + (heartbeat if self.bytes_sent else silence)
                if now >= due:
                    # Messages that wait for the flush interval break the silence better than a heartbeat.
                    if not self._waiting:
                        self._append([b"" if self._heartbeat is None else self._framing.heartbeat])
                        self._heartbeat_bytes += self._unsent
                    self._hurry.set()
                    self._wake.set()
                    silence = heartbeat
                    due = now + heartbeat
            await anyio.sleep_until(min(due, now + limit, now + heartbeat))

    async def _listen(self, until: Callable[[], Awaitable[object]], tasks: TaskGroup) -> None:
        """End everything when the client leaves."""
        await until()
        self._open = self._roused = False
        self.failure = self.failure or anyio.BrokenResourceError("the client has left")
        tasks.cancel_scope.cancel()

    def _timed_out(self) -> StreamTimeout:
        return StreamTimeout(f"the client took nothing for {self._send_timeout} s (send_timeout)")
