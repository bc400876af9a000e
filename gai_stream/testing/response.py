"""The client's end of one request: what the app sent, as it sends it."""

from __future__ import annotations

from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
)
from typing import Any, NamedTuple, TypeAlias, TypeVar

import anyio
import orjson
from anyio.lowlevel import checkpoint

from gai_stream.ndjson import NDJSONDecoder
from gai_stream.sse import ServerSentEvent, SSEDecoder
from gai_stream.transform import Transform

__all__ = ["ASGIApp", "ClientResponse", "Headers", "Message", "Sent"]

T = TypeVar("T")
Message: TypeAlias = MutableMapping[str, Any]
ASGIApp: TypeAlias = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


class Sent(NamedTuple):
    """A message that the app sent, and the event loop's time at which it called `send`."""

    time: float
    message: dict[str, Any]


class Headers(Mapping[str, str]):
    """A response's headers. Names have no case; a name that came several times gives its values joined by ", "."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in raw:
            self._values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"

    def get_list(self, name: str) -> list[str]:
        """Return the values of `name` one by one, in the order sent."""
        return list(self._values.get(name.lower(), ()))


# No generators: a test leaves its loop half-way and goes on in another one, and trio warns of a generator left open.
class _Chunks(AsyncIterator[bytes]):
    def __init__(self, take: Callable[[], Awaitable[bytes]]) -> None:
        self._take = take

    async def __anext__(self) -> bytes:
        return await self._take()


class _Decoded(AsyncIterator[T]):
    def __init__(self, chunks: AsyncIterator[bytes], decoder: Transform[bytes, T]) -> None:
        self._chunks = chunks
        self._decoder = decoder
        self._ready: deque[T] = deque()
        self._finished = False

    async def __anext__(self) -> T:
        while not self._ready:
            if self._finished:
                raise StopAsyncIteration
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                self._finished = True
                self._ready.extend(self._decoder.finish())
            else:
                self._ready.extend(self._decoder.feed(chunk))
        return self._ready.popleft()


class ClientResponse:
    """One request as the client sees it, while the app runs beside you.

    `status` is 0 and `headers` are empty until the response has started. `sent` holds every message of the app,
    read or not. `ended` says that the app completed the body, `app_ended` that it returned or raised;
    `app_exception` is what it raised. Bytes that you do not read wait in the buffer and hold up the app once they are
    more than `buffer_size`: to read slowly, just do so.
    """

    def __init__(self, *, method: str, buffer_size: int, raise_app_exceptions: bool) -> None:
        self.status = 0
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self.headers = Headers()
        self.sent: list[Sent] = []
        self.ended = False
        self.app_ended = False
        self.app_exception: Exception | None = None
        self._method = method
        self._buffer_size = buffer_size
        self._raises = raise_app_exceptions
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._content: bytes | None = None
        self._events = _Decoded[ServerSentEvent](self.chunks(), SSEDecoder())
        self._values = _Decoded[Any](self.chunks(), NDJSONDecoder())
        self._gone = False
        self._stopped = False
        self._send_error: OSError | None = None
        self._upload_exception: Exception | None = None
        self._changed = anyio.Event()
        self._upload = anyio.CancelScope()
        self._outbox, self._inbox = anyio.create_memory_object_stream[Message](0)

    async def start(self) -> None:
        """Wait for the response to start. Raises what the app raised, or AssertionError if it ended without one."""
        while not self.status:
            if self.app_ended:
                self.raise_exception()
                raise AssertionError("the app ended without a response") from self.app_exception
            await self._changed.wait()

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the body as it was sent: the bytes of one `http.response.body` each, but for empty ones.

        Behind the last it raises what the app raised, or AssertionError if the app did not complete the body.
        """
        return _Chunks(self._next_chunk)

    def events(self) -> AsyncIterator[ServerSentEvent]:
        """Return the messages of an event stream, each as soon as it is there."""
        return self._events

    def values(self) -> AsyncIterator[Any]:
        """Return the values of an NDJSON stream, each as soon as it is there."""
        return self._values

    async def read(self) -> bytes:
        """Return the rest of the body. It can still be read as `content`, `text`, `json`, `events` or `values`."""
        self._content = b"".join([chunk async for chunk in self.chunks()])
        if self._content:
            self._keep(self._content)
        return self._content

    @property
    def content(self) -> bytes:
        """The body that `read` has read."""
        if self._content is None:
            raise RuntimeError("ClientResponse: await read() before content, text or json")
        return self._content

    @property
    def text(self) -> str:
        """The body that `read` has read, as UTF-8."""
        return self.content.decode()

    def json(self) -> Any:
        """Return the body that `read` has read, as JSON."""
        return orjson.loads(self.content)

    async def disconnect(self, *, send_raises: bool | type[OSError] = False) -> None:
        """Hang up: the app receives `http.disconnect`, a `send` that waits is let go, and what was not read is lost.

        From then on `send` does nothing, as with uvicorn and granian. With `send_raises` it raises an OSError, as
        ASGI 2.4 has it, or the class of OSError you give; if the app lets it through, it is not raised to you.
        """
        if send_raises:
            error = OSError if send_raises is True else send_raises
            self._send_error = error("the client has disconnected")
        self.hang_up()
        await checkpoint()

    async def disconnect_after(self, n: int, *, send_raises: bool | type[OSError] = False) -> list[Any]:
        """Read `n` events (of an event stream, else NDJSON values), hang up, and return them.

        Raises AssertionError if the stream ends before.
        """
        is_sse = self.headers.get("content-type", "").startswith("text/event-stream")
        source: AsyncIterator[Any] = self.events() if is_sse else self.values()
        items: list[Any] = []
        while len(items) < n:
            try:
                items.append(await anext(source))
            except StopAsyncIteration:
                raise AssertionError(f"the stream ended after {len(items)} of {n} events") from None
        await self.disconnect(send_raises=send_raises)
        return items

    def stop_reading(self) -> None:
        """Be a client that neither reads nor leaves: from now on `send` waits for ever once the buffer is full."""
        self._stopped = True

    async def wait_app(self) -> None:
        """Wait until the app has returned or raised."""
        while not self.app_ended:
            await self._changed.wait()

    # What `ASGIClient` does.

    async def run(self, app: ASGIApp, scope: Message) -> None:
        """Run the app on this request. Its exception is kept, so that it reaches you as itself."""
        try:
            await app(scope, self._receive, self._send)
        except Exception as exc:  # noqa: BLE001 - raised again where you read
            self.app_exception = exc
        finally:
            self.app_ended = True
            self._notify()

    async def upload(self, content: bytes | AsyncIterable[bytes]) -> None:
        """Give the app the request's body, then nothing until the client is gone. A body that fails hangs up."""
        try:
            with self._upload:
                if isinstance(content, bytes):
                    await self._outbox.send({"type": "http.request", "body": content, "more_body": False})
                else:
                    async for body in content:
                        await self._outbox.send({"type": "http.request", "body": body, "more_body": True})
                    await self._outbox.send({"type": "http.request", "body": b"", "more_body": False})
                await anyio.sleep_forever()
        except Exception as exc:  # noqa: BLE001 - raised again where you read
            self._upload_exception = exc
            self.hang_up()
        finally:
            if (aclose := getattr(content, "aclose", None)) is not None:
                await aclose()

    def raise_exception(self) -> None:
        """Raise what the request's body or the app raised, once, unless it comes of a disconnect with `send_raises`."""
        exc, self._upload_exception = self._upload_exception, None
        if exc is None and self._raises and not _comes_of(self.app_exception, self._send_error):
            exc = self.app_exception
            self._raises = exc is None
        if exc is not None:
            raise exc

    def hang_up(self) -> None:
        """Leave, as far as the app can see."""
        self._gone = True
        if self._content is None:
            self._chunks.clear()
            self._buffered = 0
        self._end_request()
        self._notify()

    def close(self) -> None:
        """Give back what the request held."""
        self._outbox.close()
        self._inbox.close()

    # What the app sees.

    async def _receive(self) -> Message:
        # Before a body that was not asked for yet, as uvicorn has it.
        if self._gone or self.ended:
            return {"type": "http.disconnect"}
        try:
            try:
                # Without a checkpoint, as servers do: an app may ask in a scope that is cancelled already.
                return self._inbox.receive_nowait()
            except anyio.WouldBlock:
                return await self._inbox.receive()
        except anyio.EndOfStream:
            return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(Sent(anyio.current_time(), dict(message)))
        if not self._gone:
            self._accept(message)
            self._notify()
            while not self._gone and self._buffered > self._buffer_size:
                await self._changed.wait()
        if self._gone and self._send_error is not None:
            raise self._send_error

    def _accept(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start" if not self.status:
                self.status = message["status"]
                self.raw_headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
                self.headers = Headers(self.raw_headers)
            case "http.response.body" if self.status and not self.ended:
                body = bytes(message.get("body", b""))
                # A server writes no body for HEAD, whatever the app sends.
                if body and self._method != "HEAD":
                    self._keep(body)
                if not message.get("more_body", False):
                    self.ended = True
                    self._end_request()
            case kind:
                state = "after the end" if self.ended else "after the start" if self.status else "before the start"
                raise RuntimeError(f"ASGI: the app sent {kind!r} {state} of its response")

    def _end_request(self) -> None:
        self._upload.cancel()
        self._outbox.close()

    async def _next_chunk(self) -> bytes:
        if self._stopped:
            raise RuntimeError("ClientResponse: nothing is read after stop_reading")
        # As long as it takes a socket's data to come round: the app gets its turn.
        await checkpoint()
        while not self._chunks:
            if self.ended or self._gone:
                raise StopAsyncIteration
            if self.app_ended:
                self.raise_exception()
                if self.app_exception is None:
                    raise AssertionError("the app returned without completing its response")
                raise StopAsyncIteration
            await self._changed.wait()
        chunk = self._chunks.popleft()
        self._buffered -= len(chunk)
        self._notify()
        return chunk

    def _keep(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._buffered += len(chunk)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _comes_of(exc: BaseException | None, error: OSError | None) -> bool:
    """Say whether `exc` is `error`, or was raised because of it."""
    if exc is None or error is None or exc is error:
        return exc is not None and exc is error
    inner: tuple[BaseException, ...] = getattr(exc, "exceptions", ())
    return any(_comes_of(one, error) for one in (*inner, exc.__cause__ or exc.__context__))
