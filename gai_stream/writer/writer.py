"""Order, coalescing, flush, heartbeat, back-pressure and the end: every timer that a stream needs is in here."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, NoReturn, Self, cast

import anyio
from anyio.lowlevel import checkpoint

from gai_stream._options import check_bytes, check_seconds
from gai_stream.exceptions import StreamTimeout
from gai_stream.sse import SSEEncoder

from .framing import Framing, heartbeat_of, stream_headers
from .outbox import Outbox
from .tasks import Tasks, tasks_of_this_loop

__all__ = ["Writer"]

# Longer than any stream lives, and short enough for every event loop's clock.
_NEVER = 86400.0 * 365
_NOT_ENTERED = "enter the Writer first: `async with Writer(...) as writer`"


class Writer(Outbox):
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

    `bytes_sent` counts what the transport took, `begun` says whether anything was given to it, `ending` is set for the
    send after which there is none, and `failure` is the error that ended it.
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
        check_seconds("heartbeat", heartbeat)
        check_seconds("flush_interval", flush_interval)
        check_seconds("send_timeout", send_timeout)
        check_seconds("hold", hold)
        check_bytes("flush_size", flush_size)
        super().__init__(SSEEncoder() if framing is None else framing, flush_size)
        self.bytes_sent = 0
        self.ending = False
        self.failure: BaseException | None = None
        self._send = send
        self._heartbeat = heartbeat
        self._flush_interval = flush_interval
        self._send_timeout = send_timeout
        self._until = until
        # How long nothing may be sent: until something was, that is `hold`.
        self._silence = min(heartbeat or _NEVER, hold or _NEVER)
        self._heartbeat_bytes = 0
        self._claimed = self._hurry = self._started = self._pumping = self._sending = self._cut = False
        self._sent_something: anyio.Event | None = None
        self._last_sent = self._send_started = 0.0
        # Without any of these there is nothing for a task to do: each `write` sends.
        self._alone = self._silence == _NEVER and flush_interval is None and until is None
        # Set by `__aenter__`, but named here: CPython is slow to find what `__init__` does not set.
        self._tasks = cast("Tasks", None)
        self._thread = 0

    @property
    def headers(self) -> dict[str, str]:
        """The response headers that this stream needs, whatever HTTP library sends them."""
        return stream_headers(self._framing.media_type)

    async def __aenter__(self) -> Self:
        if self._thread:
            raise RuntimeError("a Writer writes one stream: make a new one")
        self._thread = threading.get_ident()
        self._open = True
        self._tasks = tasks_of_this_loop(self._failed)
        self._last_sent = self._send_started = self._tasks.clock()
        if not self._alone:
            await self._tasks.enter(self._start)
        return self

    def _start(self) -> None:
        """Start what is needed from the first turn of the event loop on."""
        self._started = True
        if self._roused:
            self._rouse()
        if self._until is not None:
            self._tasks.start(self._listen)
        if self._silence < _NEVER or self._send_timeout is not None:
            self._tasks.watch(self._tick)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        own: BaseException | None = None
        try:
            # An error in the block does not take back what was written before it; a cancellation does.
            if exc is None or isinstance(exc, Exception):
                if exc is None and self._open:
                    self._append(self._framing.finish())
                self._open = self._roused = self._deferring = False
                while self._sending:
                    await self._next_send()
                await self._check()
                self.ending = exc is None
                await self._drain()
        except BaseException as error:  # noqa: BLE001 (raised again below, once the tasks have ended)
            own = exc = error
        self._open = self._roused = self._deferring = False
        suppressed = False
        try:
            if not self._alone:
                suppressed = await self._tasks.leave(exc)
        except BaseException as error:  # noqa: BLE001 (raised again below)
            own = exc = error
        if self._unsent and self.failure is None:
            self._cut, self.failure = True, anyio.BrokenResourceError("the stream was cancelled")
        # Who still waits in `write` waits for a send that no longer comes.
        if self._sent_something is not None:
            self._sent_something.set()
        # A failing transport cancels the block: then the failure is the news, not the cancellation.
        if self.failure is not None:
            cancelled = exc is not None and isinstance(exc, anyio.get_cancelled_exc_class())
            if exc is None or (cancelled and (suppressed or not self._cut)):
                raise self.failure
        if own is not None:
            raise own
        return suppressed

    def _write_first(self, message: Any) -> Coroutine[Any, Any, None]:
        if not self._open:
            return self._refuse()
        if self._alone:
            return self._write_alone(message)
        self._rouse()
        if self._plain is not None:
            self._follow(self._plain)
        return self.write(message)

    async def _write_alone(self, message: Any) -> None:
        """Write and send, for want of a task that does."""
        self._append(self._framing.feed(message))
        await (self.room() if self._sending else self._drain())

    def _rouse(self) -> None:
        """Tell the sending task that something waits: once for all that leaves together, and it is there only then."""
        self._roused = True
        if self._pumping:
            self._tasks.wake()
        elif self._started:
            self._pumping = True
            self._tasks.start(self._pump)

    def claim(self) -> bool:
        """Take the sending over from the sending task, if it has nothing to do. Whoever gets it must `release` it."""
        busy = self._roused or self._sending or self._alone or self._flush_interval is not None
        if self._open and not busy:
            self._roused = self._claimed = True
        return self._claimed

    def release(self) -> Coroutine[Any, Any, None]:
        """Send what was written since `claim`, from the task that awaits this: none has to be woken for it."""
        self._claimed = False
        return self._drain()

    def write_from_thread(self, message: Any) -> None:
        """Write one message from a thread that is not the event loop's. Block as long as `write` would wait."""
        if not self._thread:
            raise RuntimeError(_NOT_ENTERED)
        if threading.get_ident() == self._thread:
            raise RuntimeError("write_from_thread: this is the event loop's own thread; use `await write(...)`")
        self._tasks.call(self.write, message)

    async def comment(self, text: str) -> None:
        """Write text that clients skip. Raises EncodeError where the framing has no comments, or for several lines."""
        if not self._open:
            await self._refuse()
        self._append([self._framing.comment(text)])
        await self.flush()

    async def _refuse(self) -> NoReturn:
        """Say why nothing can be written."""
        await self._check()
        if not self._thread:
            raise RuntimeError(_NOT_ENTERED)
        raise anyio.ClosedResourceError("the stream has ended: nothing can be written after its end")

    async def room(self, *, here: bool = False) -> None:
        """Wait until less than `flush_size` bytes are unsent. `here` has them sent from this task, if it can be."""
        if not self._open:
            await self._refuse()
        self._frame()
        if self._unsent >= self._flush_size and self._flush_interval is not None:
            self._urge()
        while self._unsent >= self._flush_size and self.failure is None:
            await (self._drain() if (here or self._claimed) and not self._sending else self._next_send())
        await self._check()

    async def _next_send(self) -> None:
        if self._sent_something is None:
            self._sent_something = anyio.Event()
        await self._sent_something.wait()

    async def flush(self) -> None:
        """Wait until everything written so far has left, without waiting for the flush interval.

        What others write meanwhile may stay.
        """
        if not self._open:
            await self._refuse()
        self._frame()
        end = self.bytes_sent + self._unsent
        while self.bytes_sent < end and self.failure is None:
            if self._alone and not self._sending:
                await self._drain()
            else:
                self._urge()
                await self._next_send()
        await self._check()

    def _urge(self) -> None:
        """Have what waits sent now, whatever the flush interval."""
        if not self._alone:
            self._hurry = True
            self._rouse()

    async def _check(self) -> None:
        """Raise what ended the stream, if anything did."""
        if self._cut:
            # What cut the send off most likely means this task too, and then the cancellation is the news.
            await checkpoint()
        if self.failure is not None:
            raise self.failure

    async def _drain(self) -> None:
        """Send what waits, and what comes to wait meanwhile. Only one task is ever in here."""
        self._sending = True
        try:
            while (self._waiting or self._texts) and self.failure is None:
                chunk = self._take()
                self._send_started = self._tasks.clock()
                if not self._alone or self._send_timeout is None:
                    await self._send(chunk)
                else:
                    with anyio.move_on_after(self._send_timeout) as scope:
                        await self._send(chunk)
                    if scope.cancelled_caught:
                        raise self._timed_out()
                self._last_sent = self._tasks.clock()
                self.bytes_sent += len(chunk)
                self._forget(len(chunk))
                if self._sent_something is not None:
                    self._sent_something.set()
                    self._sent_something = None
            self._roused = self._deferring = False
        except BaseException as exc:
            # Nobody knows how much of the chunk left: a message after it could begin in the middle of another.
            self._open = self._roused = self._deferring = False
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
        tasks, clock = self._tasks, self._tasks.clock
        while True:
            while not self._roused or self._sending:
                await tasks.sleep()
            if self._flush_interval is not None and self.bytes_sent > self._heartbeat_bytes:
                due = self._last_sent + self._flush_interval
                while not self._hurry and clock() < due:
                    await tasks.sleep(due)
            self._hurry = False
            # Leaving the block sends as well.
            if not self._sending:
                await self._drain()

    def _tick(self) -> float | None:
        """Send a heartbeat if it is due, end a send that takes too long, and return when to look again.

        One timer for a stream, that compares times: none for each message.
        """
        limit = self._send_timeout or _NEVER
        heartbeat = self._heartbeat or _NEVER
        now: float = self._tasks.clock()
        due = now + limit
        if self._sending:
            due = self._send_started + limit
            if now >= due:
                self.failure = self._timed_out()
                self._end()
                return None
        elif self._open:
            due = self._last_sent + (heartbeat if self.bytes_sent else self._silence)
            if now >= due:
                # Messages that wait for the flush interval break the silence better than a heartbeat.
                if not self._unsent:
                    self._append([b"" if self._heartbeat is None else heartbeat_of(self._framing)])
                    self._heartbeat_bytes += self._unsent
                self._urge()
                self._silence = heartbeat
                due = now + heartbeat
        return min(due, now + limit, now + heartbeat)

    async def _listen(self) -> None:
        """End everything when the client leaves."""
        await cast("Callable[[], Awaitable[object]]", self._until)()
        if self.ending:
            # Servers say so, too, of a client that has all it asked for.
            return
        self.failure = self.failure or anyio.BrokenResourceError("the client has left")
        self._end()

    def _end(self) -> None:
        self._open = self._roused = self._deferring = False
        self._tasks.cancel()

    def _failed(self, exc: BaseException) -> None:
        """Take note of what a task raised, unless it was cancelled."""
        self._open = self._roused = self._deferring = False
        if isinstance(exc, Exception) and (self.failure is None or self._cut):
            self._cut, self.failure = False, exc

    def _timed_out(self) -> StreamTimeout:
        return StreamTimeout(f"the client took nothing for {self._send_timeout} s (send_timeout)")
