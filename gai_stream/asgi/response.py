"""The response that streams: first-byte gate, errors in band, disconnects, and one report at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Coroutine, Generator, Iterable, Mapping
from time import monotonic
from types import coroutine
from typing import Any, cast

import anyio
import anyio.lowlevel
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from gai_stream._options import check_seconds
from gai_stream.compression import Compressor, compressor, negotiate
from gai_stream.events import EVENT_TYPES, Failure, TextDelta
from gai_stream.exceptions import ProviderError, StreamTimeout
from gai_stream.source import Lift, Source, check_stream
from gai_stream.transform import Transform
from gai_stream.writer import Framing, Texts, Writer, texts_of_events

from .errors import ErrorAnswer, answer, as_failure, single
from .headers import CORS, CORSRule, RawHeaders, check_headers, header, merge
from .negotiation import last_event_id
from .report import OnEnd, Reason, Report

__all__ = ["StreamResponse"]

logger = logging.getLogger("gai_stream")

_CLEANUP_TIMEOUT = 30.0
"""Seconds that a stream's own clean-up may take once its client is served or gone."""

_TURN = 0.005
"""Seconds that a stream which never waits may hold the event loop: without a pause no disconnect is ever seen."""


class _ClientGone(Exception):
    """The server's `send` failed: nobody is there any more."""


def _gone(what: str, exc: Exception) -> _ClientGone:
    """Return the news that the client has left, and log an `exc` that may mean something else, such as a bug."""
    if not isinstance(exc, OSError | anyio.BrokenResourceError | anyio.ClosedResourceError):
        logger.warning("the server's `%s` failed, which ends the stream", what, exc_info=exc)
    return _ClientGone()


def _cancelled(exc: BaseException) -> bool:
    """Say whether `exc` means that this task is cancelled; not so if the source waited for a task that was."""
    if not isinstance(exc, asyncio.CancelledError) or anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
        return False
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class StreamResponse(Response):
    """Send a stream as it comes. A Starlette `Response`, and an ASGI application by itself; good for one request.

    `sse_response`, `ndjson_response` and `stream_response` build it; their docstrings have the options. Headers leave
    with the first byte, so that a source which fails before that becomes a real status with a JSON body.
    """

    def __init__(
        self,
        stream: AsyncIterable[Any] | Iterable[Any],
        *,
        framing: Framing,
        encoder: Transform[Any, Any],
        lift: Lift | None = None,
        refusal: ErrorAnswer | None = None,
        media_type: str | None = None,
        vary: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        heartbeat: float | None = 15.0,
        hold: float | None = 2.0,
        flush_interval: float | None = None,
        cors: CORS = "*",
        send_timeout: float | None = 30.0,
        compress: bool = False,
        on_end: OnEnd | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        check_stream(stream)
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599 or status in (204, 304):
            raise ValueError(f"status must be an HTTP status that has a body, not {status!r}")
        if hold != 0 or isinstance(hold, bool):
            check_seconds("hold", hold)
        if on_end is not None and not callable(on_end):
            raise TypeError(f"on_end must be callable, not {type(on_end).__name__}")
        self.status_code = status
        self.background = background
        self.raw_headers: RawHeaders = check_headers(headers)
        self._stream = stream
        self._framing = framing
        self._encoder = encoder
        self._lift = lift
        self._refusal = refusal
        self._cors = CORSRule(cors)
        self._compress = compress
        self._opens_at_once = hold == 0
        self._writer = Writer(
            self._transport,
            framing,
            heartbeat=heartbeat,
            flush_interval=flush_interval,
            send_timeout=send_timeout,
            hold=hold or None,
            until=self._disconnected,
        )
        self._send_timeout = send_timeout
        self._media_type = media_type
        self._vary = vary
        self._report = Report(on_end) if on_end is not None else None
        self._source: Source | None = None
        self._scope: Scope = {}
        # Set anew by `__call__`, but named here: CPython is slow to find what `__init__` does not set.
        self._receive: Receive = cast("Any", None)
        self._server_send: Send = cast("Any", None)
        self._compressor: Compressor | None = None
        self._waits = 0
        self._started = self._ended = False
        self._reason: Reason = "cancelled"
        self._error: BaseException | None = None
        self._failed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"a StreamResponse answers http requests, not {scope['type']!r}")
        if self._scope:
            raise RuntimeError("a StreamResponse answers one request: make a new one for each")
        self._scope = scope
        self._receive = receive
        self._server_send = send
        if self._compress and (encoding := negotiate((header(scope, b"accept-encoding") or b"").decode("latin-1"))):
            self._compressor = compressor(encoding)
        try:
            if not await self._answered_without():
                await self._serve()
        except _ClientGone:
            self._reason = "disconnect"
        except BaseException as exc:
            if not isinstance(exc, anyio.get_cancelled_exc_class()):
                self._reason, self._error = "error", exc
            raise
        finally:
            await self._close()
        if self.background is not None:
            await self.background()

    async def _answered_without(self) -> bool:
        """Give the answer to a request that the stream is not wanted for. Return whether this is one."""
        if self._scope["method"] == "OPTIONS":
            self._reason = "not_started"
            await self._answer(204, self._cors.preflight(self._scope))
        elif self._refusal is not None:
            self._reason = "refused"
            await self._refuse(self._refusal)
        elif self._scope["method"] == "HEAD":
            self._reason = "not_started"
            await self._send_start()
            await self._send({"type": "http.response.body", "body": b""})
        else:
            return False
        return True

    async def _disconnected(self) -> None:
        """Return when the client leaves: we listen ourselves, whatever the server's ASGI version says about `send`."""
        try:
            while (await self._receive())["type"] != "http.disconnect":
                # Some stand-ins for a server repeat the request's last message without ever waiting.
                await anyio.lowlevel.checkpoint()
        except Exception as exc:
            raise _gone("receive", exc) from exc

    async def _serve(self) -> None:
        """Send the whole stream, or what takes its place if it failed or ended before the first byte."""
        writer = self._writer
        refusal: ErrorAnswer | None = None
        empty = False
        try:
            if self._opens_at_once:
                await self._in_time(self._transport(b""))
            async with writer:
                try:
                    await self._counted(self._pull())
                except (Exception, asyncio.CancelledError) as exc:
                    if exc is writer.failure or _cancelled(exc):
                        raise
                    self._error = single(exc)
                    if writer.begun or self._started:
                        await self._write_event(as_failure(exc))
                    else:
                        refusal = answer(exc)
                else:
                    empty = not writer.begun and not self._started and last_event_id(self._scope) is not None
                if refusal is None and not empty:
                    for message in self._encoder.finish():
                        await writer.write(message)
            if refusal is None and not empty and not self._ended:
                if not self._started:
                    await self._in_time(self._transport(b""))
                tail = self._compressor.finish() if self._compressor is not None else b""
                await self._in_time(self._send({"type": "http.response.body", "body": tail}))
        except Exception as exc:
            if exc is not writer.failure and not isinstance(exc, StreamTimeout):
                raise
            self._reason = "disconnect"
            if isinstance(exc, StreamTimeout):
                self._reason, self._error = "timeout", exc
                logger.warning("stream ended: %s", exc)
            return
        if refusal is not None:
            self._reason = "refused"
            await self._refuse(refusal)
            return
        if empty:
            # Nothing is left of what the client asked to go on with: this tells an EventSource to stay away.
            await self._answer(204, {b"cache-control": b"no-store", **self._cors.headers(self._scope)})
        self._reason = "error" if self._failed else "complete"

    async def _in_time(self, sending: Awaitable[None]) -> None:
        """Send what does not go through the Writer, which times all else."""
        with anyio.move_on_after(self._send_timeout) as scope:
            await sending
        if scope.cancelled_caught:
            raise StreamTimeout(f"the client took nothing for {self._send_timeout} s (send_timeout)")

    async def _pull(self) -> None:
        """Pull the source dry, and write what it yields."""
        self._source = Source(self._stream)
        lift, report, writer = self._lift, self._report, self._writer
        # How the texts behind a first one are framed, without being looked at one by one.
        run: Texts | None = None
        # Items that come one by one are sent from here, each at once, and so is the very first; those that come
        # together leave together.
        waits, alone, together = -1, False, False
        turn_ends = 0.0
        async for item in self._source:
            if waits != self._waits:
                alone, together = not together and writer.claim(), False
                turn_ends = monotonic() + _TURN
            else:
                together = True
                if monotonic() >= turn_ends:
                    await anyio.lowlevel.checkpoint()
                    turn_ends = monotonic() + _TURN
            text = None
            if type(item) is TextDelta:
                if not item.index and not item.refusal:
                    text = item.text
            elif lift is not None:
                text = item
            if type(text) is not str or not text:
                run = None
                for event in (item,) if lift is None or type(item) in EVENT_TYPES else lift.feed(item):
                    await self._write_event(event)
            elif run is None:
                await self._write_event(TextDelta(text))
                run = texts_of_events(self._encoder, self._framing)
            else:
                if report is not None:
                    report.add(TextDelta(text))
                if writer.defer(text, run):
                    await writer.room(here=True)
            if alone:
                await writer.release()
                alone = False
            # Only the source's own waiting counts.
            waits = self._waits
        if lift is not None:
            for event in lift.finish():
                await self._write_event(event)

    @coroutine
    def _counted(self, work: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        """Await `work`, and count how often it waits: whether an item had to be waited for, nothing else tells."""
        try:
            waits_for = work.send(None)
            while True:
                self._waits += 1
                try:
                    value = yield waits_for
                except BaseException as exc:  # noqa: BLE001 (passed on)
                    waits_for = work.throw(exc)
                else:
                    waits_for = work.send(value)
        except StopIteration:
            return

    async def _write_event(self, item: Any) -> None:
        if self._report is not None:
            self._report.add(item)
        if type(item) not in EVENT_TYPES:
            await self._writer.write(item)
            return
        if type(item) is Failure and not self._writer.begun and not self._started:
            raise ProviderError(item.code, item.message, None, item.temporary, item.retry_after)
        self._failed = self._failed or type(item) is Failure
        for message in self._encoder.feed(item):
            await self._writer.write(message)

    async def _transport(self, chunk: bytes) -> None:
        first = not self._started
        if first:
            await self._send_start()
        if self._compressor is not None and chunk:
            chunk = self._compressor.compress(chunk)
        self._ended = self._writer.ending
        if self._ended and self._compressor is not None:
            chunk += self._compressor.finish()
        try:
            # A body that is whole at once is no stream to some servers: they leave out what proxies know a stream by.
            await self._server_send(
                {"type": "http.response.body", "body": chunk, "more_body": first or not self._ended}
            )
            if first and self._ended:
                await self._server_send({"type": "http.response.body", "body": b""})
        except Exception as exc:
            raise _gone("send", exc) from exc

    async def _send_start(self) -> None:
        self._started = True
        headers = {name.encode(): value.encode() for name, value in self._writer.headers.items()}
        headers |= self._cors.headers(self._scope)
        if self._media_type is not None:
            headers[b"content-type"] = self._media_type.encode()
        vary = [self._vary.encode() if self._vary is not None else None, headers.get(b"vary")]
        if self._compress:
            vary.append(b"Accept-Encoding")
        if self._compressor is not None:
            headers[b"content-encoding"] = self._compressor.encoding.encode()
        if any(vary):
            headers[b"vary"] = b", ".join(dict.fromkeys(name for name in vary if name))
        # Where the connection ends with the stream, as on HTTP/1.0 and wherever a proxy asks for it, it would be false.
        closes = b"close" in (header(self._scope, b"connection") or b"").lower()
        if self._scope.get("http_version", "1.1") == "1.1" and not closes:
            headers[b"connection"] = b"keep-alive"
        raw = merge(self.raw_headers, headers)
        await self._send({"type": "http.response.start", "status": self.status_code, "headers": raw})

    async def _refuse(self, refusal: ErrorAnswer) -> None:
        await self._answer(refusal.status, {**refusal.headers, **self._cors.headers(self._scope)}, refusal.body)

    async def _answer(self, status: int, headers: dict[bytes, bytes], body: bytes = b"") -> None:
        if status not in (204, 304):
            headers[b"content-length"] = str(len(body)).encode()
        self.status_code = status
        self._started = True
        await self._send({"type": "http.response.start", "status": status, "headers": list(headers.items())})
        await self._send({"type": "http.response.body", "body": b"" if self._scope["method"] == "HEAD" else body})

    async def _send(self, message: Message) -> None:
        try:
            await self._server_send(message)
        except Exception as exc:
            raise _gone("send", exc) from exc

    async def _close(self) -> None:
        """Close the source in this, its own task, and report; no cancellation reaches that, but a clock does."""
        try:
            source = self._source or Source(self._stream)
            if not source.over:
                with anyio.move_on_after(_CLEANUP_TIMEOUT, shield=True) as cleanup:
                    try:
                        await source.aclose()
                    except Exception:
                        logger.exception("the stream's own clean-up failed")
                if cleanup.cancelled_caught:
                    logger.warning("the stream's own clean-up was cut off after %s s", _CLEANUP_TIMEOUT)
        finally:
            if self._report is not None:
                status = self.status_code if self._started else None
                with anyio.move_on_after(_CLEANUP_TIMEOUT, shield=True):
                    await self._report.deliver(self._reason, status, self._writer.bytes_sent, self._error)
