"""One HTTP request and the body of its answer, read under timeouts, with every failure a ProviderError."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Final, NamedTuple

import anyio
import httpx2

from gai_stream.exceptions import CODES, ProviderError
from gai_stream.providers.errors import refusal, request_id, retry_after

__all__ = ["Exchange", "Timeouts"]

# A body may be closed while its task is being cancelled, but no server may hold that up.
_CLOSE_SECONDS: Final = 1.0
_PIECE_SIZE: Final = 1 << 20
_ERROR_BODY_SIZE: Final = 64 * 1024
_UNREACHED: Final = "could not be reached within {:g} s (connect_timeout)"
_NO_BYTE: Final = "did not begin to answer within {:g} s (first_byte_timeout)"
_NO_ANSWER: Final = "did not begin to answer within {:g} s (connect_timeout and first_byte_timeout)"
_SILENCE: Final = "sent nothing for {:g} s (idle_timeout)"
_UNFINISHED: Final = "did not finish within {:g} s (total_timeout)"


class Timeouts(NamedTuple):
    """Seconds to wait, None for ever.

    `connect` is for a connection, `first_byte` for the first byte of the answer's body once the request was sent,
    `idle` for every silence after that, `total` for the whole.
    """

    connect: float | None
    first_byte: float | None
    idle: float | None
    total: float | None


class Exchange:
    """A request to be sent, and what comes back. `name` is the provider's, for messages; `deadline` ends it all.

    No cancel scope is open between two calls, so that a generator may yield between them (PEP 789).
    """

    def __init__(self, client: httpx2.AsyncClient, timeouts: Timeouts, name: str, *, deadline: float = inf) -> None:
        self._client = client
        self._timeouts = timeouts
        self._name = name
        self._deadline = deadline
        self._response: httpx2.Response | None = None
        self._first: bytes | None = None
        self.request_id: str | None = None
        self.retry_after: float | None = None

    async def begin(self, request: httpx2.Request) -> None:
        """Send the request and wait for the first byte of the answer; then `close` must be called.

        A redirect is not followed: the key would go along. Raises ProviderError for a refusal, whose words are read
        from the body, and for whatever else keeps the answer from beginning; then all is closed, and `retry_after`
        has the seconds that the provider asked to wait.
        """
        try:
            await self._send(request)
        except BaseException:
            await self.close()
            raise

    async def read(self) -> bytes | None:
        """Return what came next of the body, decompressed, or None at its end."""
        if (first := self._first) is not None:
            self._first = None
            return first
        idle = self._timeouts.idle
        with self._failures(), self._within(inf if idle is None else anyio.current_time() + idle, _SILENCE, idle):
            return await self._next()

    async def _send(self, request: httpx2.Request) -> None:
        connect, first_byte, _, _ = self._timeouts
        began = anyio.current_time()
        # Until the transport says that the request was sent, which not all do.
        limit = inf if connect is None or first_byte is None else began + connect + first_byte
        message, seconds = _NO_ANSWER, None if connect is None or first_byte is None else connect + first_byte

        async def trace(step: str, _info: object) -> None:
            nonlocal message, seconds
            if step.endswith("receive_response_headers.started") and first_byte is not None:
                message, seconds = _NO_BYTE, first_byte
                scope.deadline = min(anyio.current_time() + first_byte, self._deadline)

        # Silence is measured here, for headers that come byte by byte as well.
        request.extensions["timeout"] = {"connect": connect, "pool": connect, "read": None, "write": None}
        request.extensions["trace"] = trace
        with self._failures(), anyio.CancelScope(deadline=min(limit, self._deadline)) as scope:
            self._response = response = await self._client.send(request, stream=True, follow_redirects=False)
            # In-memory transports hand over a body that was read already. Any other is decompressed here: a decoder
            # of the client's that fails leaves generators to the garbage collector, of which `close` tells.
            self._raw = response.aiter_bytes() if response.is_stream_consumed else response.aiter_raw()
            self._chunks = self._decompressed(response) if _is_compressed(response) else self._raw
            self.request_id = request_id(response.headers)
            if response.is_success:
                self._first = await self._next()
        if scope.cancelled_caught:
            raise self._timed_out(message, seconds)
        if not response.is_success:
            raise await self._refusal(response)

    async def _refusal(self, response: httpx2.Response) -> ProviderError:
        self.retry_after = retry_after(response.headers)
        body = bytearray()
        limit = anyio.current_time() + (self._timeouts.idle or inf)
        # A part of an error is better than none.
        with suppress(httpx2.RequestError, ProviderError), anyio.CancelScope(deadline=min(limit, self._deadline)):
            while len(body) < _ERROR_BODY_SIZE and (chunk := await self._next()) is not None:
                body += chunk
        error = refusal(response.status_code, response.headers, bytes(body[:_ERROR_BODY_SIZE]))
        if self.retry_after is None and error.retry_after != CODES[error.code].retry_after:
            # Google says it in the body.
            self.retry_after = error.retry_after
        return error

    async def _next(self) -> bytes | None:
        return await anext(self._chunks, None)

    async def _decompressed(self, response: httpx2.Response) -> AsyncGenerator[bytes, None]:
        coding = response.headers["content-encoding"].strip().lower()
        if coding not in ("gzip", "x-gzip", "deflate"):
            message = f"{self._name} sent a body compressed as {coding[:20]!r}, which nobody asked for"
            raise ProviderError("invalid_response", message)
        decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
        async for chunk in self._raw:
            data = chunk
            try:
                # In pieces, since a small body may unfold to any size.
                while piece := decoder.decompress(data, _PIECE_SIZE):
                    yield piece
                    data = decoder.unconsumed_tail
            except zlib.error as exc:
                message = f"{self._name} sent a body that is not compressed as it says"
                raise ProviderError("invalid_response", message) from exc

    async def close(self, *, linger: float = 0.0) -> None:
        """Close the body: the connection too, unless its end comes within `linger` seconds."""
        if (response := self._response) is None:
            return
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            # A read that is cancelled unwinds every generator the client has put inside another; `aclose` of the
            # outermost would leave the inner ones to the garbage collector, which trio warns of.
            with anyio.CancelScope(deadline=anyio.current_time() + linger) as scope:
                if not linger:
                    scope.cancel()
                # Nobody waits for these bytes.
                with suppress(httpx2.RequestError):
                    async for _ in self._raw:
                        pass
            await self._chunks.aclose()
            await self._raw.aclose()
            await response.aclose()
            # The cancelled read may have cancelled the closing of a transport that does not shield it.
            if isinstance(stream := response.stream, httpx2.AsyncByteStream):
                await stream.aclose()

    @contextmanager
    def _within(self, limit: float, message: str, seconds: float | None) -> Iterator[None]:
        with anyio.CancelScope(deadline=min(limit, self._deadline)) as scope:
            yield
        if scope.cancelled_caught:
            raise self._timed_out(message, seconds)

    def _timed_out(self, message: str, seconds: float | None) -> ProviderError:
        if anyio.current_time() >= self._deadline:
            message, seconds = _UNFINISHED, self._timeouts.total
        return ProviderError("timeout", f"{self._name} {message.format(seconds)}", request_id=self.request_id)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn the client's errors into ours. What they say stays in the chain, for the log, unless they may quote."""
        name = self._name
        try:
            yield
        except (httpx2.ConnectTimeout, httpx2.PoolTimeout) as exc:
            raise ProviderError("timeout", f"{name} {_UNREACHED.format(self._timeouts.connect or inf)}") from exc
        except httpx2.TimeoutException as exc:
            raise ProviderError("timeout", f"{name} {_SILENCE.format(self._timeouts.idle or inf)}") from exc
        except (httpx2.ConnectError, httpx2.ProxyError) as exc:
            raise ProviderError("network", f"{name} could not be reached") from exc
        except httpx2.LocalProtocolError:
            # It may quote the request's headers, and with them the key.
            raise ProviderError("network", f"the request to {name} could not be sent") from None
        except httpx2.RemoteProtocolError:
            # It may quote what the server sent.
            raise ProviderError("network", f"the connection to {name} broke") from None
        except httpx2.RequestError as exc:
            raise ProviderError("network", f"the connection to {name} broke") from exc


def _is_compressed(response: httpx2.Response) -> bool:
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    return coding != "identity" and not response.is_stream_consumed
