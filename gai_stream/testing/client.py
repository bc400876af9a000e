"""A client that talks to an ASGI app in the same event loop, and sees every byte when it is sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self, TypeAlias
from urllib.parse import quote, unquote

import anyio
import orjson
from anyio.abc import TaskGroup

from ._lifespan import Lifespan
from .response import ASGIApp, ClientResponse, Message

__all__ = ["ASGIClient"]

Text: TypeAlias = str | bytes
HeaderItems: TypeAlias = Mapping[str, Text] | Iterable[tuple[Text, Text]]
Content: TypeAlias = Text | AsyncIterable[bytes] | None


class ASGIClient(anyio.AsyncContextManagerMixin):
    """Call an ASGI app (or a response, which is one) without a server: `async with ASGIClient(app) as client`.

    Entering runs the app's lifespan, if it has one; without `async with` there is none. `http_version` and
    `spec_version` are what the app is told, `headers` go with every request. The app's `send` waits while more than
    `buffer_size` bytes are unread; with 0 it returns when its bytes were taken. `timeout` is how many seconds (of the
    event loop's clock) the app may take to end once the client has left. What the app raises is raised to you, as it
    is, unless `raise_app_exceptions` is False. Runs on asyncio and on trio, its autojump clock included.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        http_version: str = "1.1",
        spec_version: str = "2.3",
        headers: HeaderItems = (),
        root_path: str = "",
        client: tuple[str, int] | None = ("127.0.0.1", 50000),
        buffer_size: int = 65536,
        timeout: float = 5.0,
        raise_app_exceptions: bool = True,
    ) -> None:
        if buffer_size < 0:
            raise ValueError(f"buffer_size must be 0 or more bytes, not {buffer_size!r}")
        if not timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")
        self._app = app
        self._asgi = {"asgi": {"version": "3.0", "spec_version": spec_version}}
        self._http_version = http_version
        self._headers = _raw_headers(headers)
        self._root_path = root_path
        self._client = client
        self._buffer_size = buffer_size
        self._timeout = timeout
        self._raise_app_exceptions = raise_app_exceptions
        self._state: dict[str, Any] | None = None

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self, None]:
        # A Starlette response given as the app looks at no scope: in a lifespan it would answer, and use up its stream.
        if hasattr(self._app, "status_code"):
            yield self
            return
        lifespan = Lifespan(self._app, self._asgi)
        async with _task_group() as tasks:
            tasks.start_soon(lifespan.run)
            if not await lifespan.start(self._timeout):
                yield self
                return
            self._state = lifespan.state
            failed = True
            try:
                yield self
                failed = False
            finally:
                self._state = None
                try:
                    await lifespan.stop(self._timeout)
                except Exception:
                    # Your own error tells more than what it led to.
                    if not failed:
                        raise

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        headers: HeaderItems = (),
        json: Any = None,
        content: Content = None,
        wait: bool = True,
    ) -> AsyncGenerator[ClientResponse, None]:
        """Send a request and enter once its response has started; with `wait=False`, at once.

        `path` may have a query. Values of headers leave as UTF-8, as a browser's Last-Event-ID does. `json` is any
        value but None; an iterable `content` is sent piece by piece, as the app asks for it. Leaving disconnects
        and waits for the app's end: AssertionError if it does not come in time, and what the app raised if you have not
        had it yet.
        """
        body, extra = _body(json, content)
        merged = _merge([(b"host", b"testserver"), *extra], self._headers, _raw_headers(headers))
        scope = self._scope(method.upper(), path, merged)
        response = ClientResponse(
            method=method.upper(), buffer_size=self._buffer_size, raise_app_exceptions=self._raise_app_exceptions
        )
        failed = True
        try:
            async with _task_group() as tasks:
                tasks.start_soon(response.upload, body)
                tasks.start_soon(response.run, self._app, scope)
                try:
                    if wait:
                        await response.start()
                    yield response
                    failed = False
                finally:
                    response.hang_up()
                    with anyio.move_on_after(self._timeout):
                        await response.wait_app()
                    if not failed and not response.app_ended:
                        raise AssertionError(
                            f"the app did not end within {self._timeout:g} s after the client disconnected"
                        )
            response.raise_exception()
        finally:
            response.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: HeaderItems = (),
        json: Any = None,
        content: Content = None,
    ) -> ClientResponse:
        """Send a request and return its response, read whole."""
        async with self.stream(method, path, headers=headers, json=json, content=content) as response:
            await response.read()
        return response

    async def get(self, path: str, *, headers: HeaderItems = ()) -> ClientResponse:
        """Return the response to a GET, read whole."""
        return await self.request("GET", path, headers=headers)

    async def post(
        self,
        path: str,
        *,
        headers: HeaderItems = (),
        json: Any = None,
        content: Content = None,
    ) -> ClientResponse:
        """Return the response to a POST, read whole."""
        return await self.request("POST", path, headers=headers, json=json, content=content)

    def _scope(self, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> Message:
        path, _, query = path.partition("?")
        raw_path = quote(path, safe="/%:@!$&'()*+,;=~-._")
        scope: Message = {
            **self._asgi,
            "type": "http",
            "http_version": self._http_version,
            "method": method,
            "scheme": "http",
            # "path" holds "root_path" too: https://asgi.readthedocs.io/en/latest/specs/www.html
            "path": self._root_path + unquote(raw_path),
            "raw_path": (self._root_path + raw_path).encode(),
            "query_string": quote(query, safe="%/?:@!$&'()*+,;=~-._[]").encode(),
            "root_path": self._root_path,
            "headers": headers,
            "client": self._client,
            "server": ("testserver", 80),
            "extensions": {},
        }
        if self._state is not None:
            scope["state"] = self._state.copy()
        return scope


@asynccontextmanager
async def _task_group() -> AsyncGenerator[TaskGroup, None]:
    """Open a task group that ends with its block, and lets the block's own exception out as itself, in no group."""
    error: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        except (GeneratorExit, anyio.get_cancelled_exc_class()):
            raise
        except BaseException as exc:  # noqa: BLE001 - raised again behind the group
            error = exc
        tasks.cancel_scope.cancel()
    if error is not None:
        raise error


def _body(json: Any, content: Content) -> tuple[bytes | AsyncIterable[bytes], list[tuple[bytes, bytes]]]:
    """Return the body of a request, and the headers that belong to it."""
    if json is not None:
        if content is not None:
            raise TypeError("give json or content, not both")
        content = orjson.dumps(json)
        return content, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    if content is None:
        return b"", []
    if isinstance(content, AsyncIterable):
        return content, []
    content = _raw(content)
    return content, [(b"content-length", b"%d" % len(content))]


def _raw(text: Text) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _raw_headers(headers: HeaderItems) -> list[tuple[bytes, bytes]]:
    items = headers.items() if isinstance(headers, Mapping) else headers
    return [(_raw(name).lower(), _raw(value)) for name, value in items]


def _merge(*layers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of all layers, a name's from the last layer that has it."""
    merged: list[tuple[bytes, bytes]] = []
    for layer in layers:
        names = {name for name, _ in layer}
        merged = [*(header for header in merged if header[0] not in names), *layer]
    return merged
