"""One HTTP request and the body of its answer, read under timeouts, with every failure a ProviderError."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Final, NamedTuple

import anyio
import httpx2

from gai_stream.exceptions import ProviderError

__all__ = ["Exchange", "Timeouts"]

# A body may be closed while its task is being cancelled, but no server may hold that up.
_CLOSE_SECONDS: Final = 1.0
_PIECE_SIZE: Final = 1 << 20
_UNREACHED: Final = "could not be reached within {:g} s (connect_timeout)"
_SILENCE: Final = "sent nothing for {:g} s (read_timeout)"


class Timeouts(NamedTuple):
    """Seconds to wait, None for ever: for a connection, for every silence after that, for the whole."""

    connect: float | None
    read: float | None
    total: float | None


class Exchange:
    """A request that was sent, and what comes back. `name` is the provider's, for messages.

    No cancel scope is open between two calls, so that a generator may yield between them (PEP 789).
    """

    def __init__(self, client: httpx2.AsyncClient, timeouts: Timeouts, name: str) -> None:
        self._client = client
        self._timeouts = timeouts
        self._name = name
        self._deadline = inf if timeouts.total is None else anyio.current_time() + timeouts.total

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request and return the response, as soon as its headers are there; then `close` must be called.

        A redirect is not followed: the key would go along.
        """
        connect, read, _ = self._timeouts
        # The client's transport knows when the connection stands, so it can tell these two apart.
        request.extensions["timeout"] = {"connect": connect, "pool": connect, "read": read, "write": read}
        # Transports that keep no timeouts, and servers that send headers byte by byte, are stopped here.
        limit = None if connect is None or read is None else connect + read
        with self._failures(), self._within(limit, "did not answer within {:g} s"):
            self.response = await self._client.send(request, stream=True, follow_redirects=False)
        # In-memory transports hand over a body that was read already. Any other is decompressed here: a decoder of the
        # client's that fails leaves generators to the garbage collector, of which `close` tells.
        self._raw = self.response.aiter_bytes() if self.response.is_stream_consumed else self.response.aiter_raw()
        self._chunks = self._decompressed() if self._is_compressed() else self._raw
        return self.response

    async def read(self) -> bytes | None:
        """Return what came next of the body, decompressed, or None at its end."""
        with self._failures(), self._within(self._timeouts.read, _SILENCE):
            return await anext(self._chunks, None)

    def _is_compressed(self) -> bool:
        coding = self.response.headers.get("content-encoding", "identity").strip().lower()
        return coding != "identity" and not self.response.is_stream_consumed

    async def _decompressed(self) -> AsyncGenerator[bytes, None]:
        coding = self.response.headers["content-encoding"].strip().lower()
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

    async def read_up_to(self, size: int) -> bytes:
        """Return the body, or its first `size` bytes and no more than the chunk they end in."""
        body = bytearray()
        while len(body) < size and (chunk := await self.read()) is not None:
            body += chunk
        return bytes(body)

    async def close(self, *, linger: float = 0.0) -> None:
        """Close the body: the connection too, unless its end comes within `linger` seconds."""
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
            await self.response.aclose()
            # The cancelled read may have cancelled the closing of a transport that does not shield it.
            if isinstance(stream := self.response.stream, httpx2.AsyncByteStream):
                await stream.aclose()

    @contextmanager
    def _within(self, seconds: float | None, message: str) -> Iterator[None]:
        limit = inf if seconds is None else anyio.current_time() + seconds
        with anyio.CancelScope(deadline=min(limit, self._deadline)) as scope:
            yield
        if scope.cancelled_caught:
            if self._deadline <= limit:
                seconds, message = self._timeouts.total, "did not finish within {:g} s (total_timeout)"
            raise ProviderError("timeout", f"{self._name} {message.format(seconds)}")

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn the client's errors into ours. What they say stays in the chain, for the log."""
        name = self._name
        try:
            yield
        except (httpx2.ConnectTimeout, httpx2.PoolTimeout) as exc:
            raise ProviderError("timeout", f"{name} {_UNREACHED.format(self._timeouts.connect or inf)}") from exc
        except httpx2.TimeoutException as exc:
            raise ProviderError("timeout", f"{name} {_SILENCE.format(self._timeouts.read or inf)}") from exc
        except (httpx2.ConnectError, httpx2.ProxyError) as exc:
            raise ProviderError("network", f"{name} could not be reached") from exc
        except httpx2.LocalProtocolError:
            # It may quote the request's headers, and with them the key.
            raise ProviderError("network", f"the request to {name} could not be sent") from None
        except httpx2.RequestError as exc:
            raise ProviderError("network", f"the connection to {name} broke") from exc
