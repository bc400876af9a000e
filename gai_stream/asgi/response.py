"""The response that streams: first-byte gate, errors in band, disconnects, and one report at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

import anyio
import anyio.lowlevel
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from gai_stream._options import check_seconds
from gai_stream.compression import Compressor, compressor, negotiate
from gai_stream.exceptions import StreamTimeout
from gai_stream.lift import Lift
from gai_stream.source import Source, check_stream
from gai_stream.transform import Transform
from gai_stream.writer import Framing, Writer, stream_headers

from .errors import ErrorAnswer, ErrorBody, answer, as_failure, single
from .headers import CORS, CORSRule, RawHeaders, check_headers, header, merge
from .negotiation import last_event_id
from .pull import Pull
from .report import OnEnd, Reason, Report

__all__ = ["StreamResponse"]

logger = logging.getLogger("gai_stream")

_CLEANUP_TIMEOUT = 30.0
"""Seconds that a stream's own clean-up may take once its client is served or gone."""


class _ClientGone(Exception):
    """The server's `send` failed: nobody is there any more."""


def _gone(what: str, exc: Exception) -> _ClientGone:
    """Return the news that the client has left, and log an `exc` that may mean something else, such as a bug."""
    if not isinstance(exc, OSError | anyio.BrokenResourceError | anyio.ClosedResourceError):
        logger.warning("the server's `%s` failed, which ends the stream", what, exc_info=exc)
    return _ClientGone()


@lru_cache(16)
def _encoded(media_type: str) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in stream_headers(media_type).items()}


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
        error_body: ErrorBody | None = None,
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
        self._refusal = refusal
        self.error_body = error_body
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
        self._pull = Pull(self._writer, framing, encoder, lift, self._report)
        self._source: Source | None = None
        self._scope: Scope = {}
        # Set anew by `__call__`, but named here: CPython is slow to find what `__init__` does not set.
        self._receive: Receive = cast("Any", None)
        self._server_send: Send = cast("Any", None)
        self._compressor: Compressor | None = None
        self._started = self._ended = False
        self._reason: Reason = "cancelled"
        self._error: BaseException | None = None

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
                    self._source = Source(self._stream)
                    await self._pull(self._source)
                except (Exception, asyncio.CancelledError) as exc:
                    if exc is writer.failure or _cancelled(exc):
                        raise
                    self._error = single(exc)
                    if writer.begun or self._started:
                        await self._pull.write(as_failure(exc))
                    else:
                        refusal = answer(exc, self.error_body)
                else:
                    empty = not writer.begun and not self._started and last_event_id(self._scope) is not None
                if refusal is not None or empty:
                    writer.abandon()
                else:
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
        self._reason = "error" if self._pull.failed else "complete"

    async def _in_time(self, sending: Awaitable[None]) -> None:
        """Send what does not go through the Writer, which times all else."""
        with anyio.move_on_after(self._send_timeout) as scope:
            await sending
        if scope.cancelled_caught:
            raise StreamTimeout(f"the client took nothing for {self._send_timeout} s (send_timeout)")

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
        self._started = self._pull.opened = True
        headers = {**_encoded(self._framing.media_type), **self._cors.headers(self._scope)}
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
