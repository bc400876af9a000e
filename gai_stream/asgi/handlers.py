"""Whole endpoints out of a provider and a request parser."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gai_stream._options import check_bytes
from gai_stream.exceptions import ProviderError, StreamError

from .errors import ErrorAnswer, ErrorBody, answer, refuse
from .headers import CORSRule, header
from .response import StreamResponse
from .streams import ndjson_response, sse_response, stream_response

__all__ = ["Prepare", "StreamingProvider", "ndjson_handler", "sse_handler", "stream_handler"]

Asked = TypeVar("Asked")
Asked_contra = TypeVar("Asked_contra", contravariant=True)
Prepare = Callable[[Request], Asked | Awaitable[Asked]]


class StreamingProvider(Protocol[Asked_contra]):
    """Whoever turns a request into a stream; every provider of `gai_stream.providers` is one."""

    def stream(self, request: Asked_contra, /) -> AsyncIterable[Any] | Iterable[Any]:
        """Return the stream of an answer."""
        ...


class _BodyTooLarge(Exception):
    pass


def sse_handler(
    provider: StreamingProvider[Asked],
    prepare: Prepare[Asked],
    *,
    methods: Iterable[str] = ("GET", "POST"),
    max_body_size: int = 1 << 20,
    **options: Any,
) -> ASGIApp:
    """Return an ASGI application that answers with the provider's stream as Server-Sent Events.

    `prepare(request)`, which may be async, turns the Starlette request into what the provider takes. A ValueError,
    LookupError, TypeError or StreamError of its is the client's fault and becomes 400 with the reason, an HTTPException
    or ProviderError its own status, anything else a masked 500. What the provider raises before its first event
    becomes the provider's own status, with Retry-After. Other methods get 405, a body of more than `max_body_size`
    bytes 413. The options are those of `sse_response`. Use it as a Starlette `Route("/chat", sse_handler(...))`, a
    mount, or the whole application.
    """

    def respond(_scope: Scope, stream: Any) -> StreamResponse:
        return sse_response(stream, **options)

    return _Handler(provider, prepare, respond, methods, max_body_size, options)


def ndjson_handler(
    provider: StreamingProvider[Asked],
    prepare: Prepare[Asked],
    *,
    methods: Iterable[str] = ("GET", "POST"),
    max_body_size: int = 1 << 20,
    **options: Any,
) -> ASGIApp:
    """Return an ASGI application that answers with the provider's stream as NDJSON. Otherwise as `sse_handler`."""

    def respond(_scope: Scope, stream: Any) -> StreamResponse:
        return ndjson_response(stream, **options)

    return _Handler(provider, prepare, respond, methods, max_body_size, options)


def stream_handler(
    provider: StreamingProvider[Asked],
    prepare: Prepare[Asked],
    *,
    methods: Iterable[str] = ("GET", "POST"),
    max_body_size: int = 1 << 20,
    **options: Any,
) -> ASGIApp:
    """Return an ASGI application that answers as the client's Accept header asks. Otherwise as `sse_handler`.

    The options are those of `stream_response`.
    """

    def respond(scope: Scope, stream: Any) -> StreamResponse:
        return stream_response(scope, stream, **options)

    return _Handler(provider, prepare, respond, methods, max_body_size, options)


class _Handler:
    def __init__(
        self,
        provider: StreamingProvider[Any],
        prepare: Prepare[Any],
        respond: Callable[[Scope, Any], StreamResponse],
        methods: Iterable[str],
        max_body_size: int,
        options: dict[str, Any],
    ) -> None:
        if not callable(getattr(provider, "stream", None)):
            raise TypeError(f"provider must have a method `stream(request)`, which {type(provider).__name__} lacks")
        if not callable(prepare):
            raise TypeError(f"prepare must be callable, not {type(prepare).__name__}")
        methods = [] if isinstance(methods, str) else [method.upper() for method in methods]
        if not methods:
            raise ValueError('methods must be one or more, such as ("GET", "POST"), not a string or none')
        check_bytes("max_body_size", max_body_size)
        encoder = options.get("encoder")
        if hasattr(encoder, "feed") and not isinstance(encoder, type):
            raise TypeError("encoder: one object serves one stream; give a handler the dialect's name or the class")
        # Wrong options are found here, not at the first request.
        self._body = respond({"type": "http", "path": "/", "headers": []}, []).error_body
        self._provider = provider
        self._prepare = prepare
        self._respond = respond
        self._methods = methods
        self._allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else ()), "OPTIONS"]).encode()
        self._max_body_size = max_body_size
        self._cors = CORSRule(options.get("cors", "*"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"this endpoint answers http requests, not {scope['type']!r}")
        method = scope["method"]
        if method not in self._methods and not (method == "OPTIONS" or (method == "HEAD" and "GET" in self._methods)):
            refusal = refuse(
                405,
                f"use {' or '.join(self._methods)} here",
                headers={"allow": self._allowed.decode()},
                body=self._body,
            )
            await self._refuse(refusal, scope, receive, send)
            return
        if method == "OPTIONS":
            preflight = Response(status_code=204)
            preflight.raw_headers += self._cors.preflight(scope, self._allowed).items()
            await preflight(scope, receive, send)
            return
        if method == "HEAD":
            # It may not start a generation.
            await self._respond(scope, [])(scope, receive, send)
            return
        try:
            request = await self._ask(scope, receive)
        except _BodyTooLarge:
            refusal = refuse(413, f"the body is larger than {self._max_body_size} bytes", body=self._body)
            await self._refuse(refusal, scope, receive, send)
        except ClientDisconnect:
            return
        except Exception as exc:  # noqa: BLE001 (answered, and logged)
            await self._refuse(_bad_request(exc, self._body), scope, receive, send)
        else:
            try:
                response = self._respond(scope, self._provider.stream(request))
            except Exception as exc:  # noqa: BLE001 (answered, and logged)
                await self._refuse(answer(exc, self._body), scope, receive, send)
            else:
                await response(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive) -> Any:
        size = 0
        declared = header(scope, b"content-length") or b""
        if declared.isdigit() and int(declared) > self._max_body_size:
            raise _BodyTooLarge

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._max_body_size:
                raise _BodyTooLarge
            return message

        request = self._prepare(Request(scope, limited))
        return await request if inspect.isawaitable(request) else request

    async def _refuse(self, refusal: ErrorAnswer, scope: Scope, receive: Receive, send: Send) -> None:
        response = Response(refusal.body, refusal.status)
        response.raw_headers += [*refusal.headers.items(), *self._cors.headers(scope).items()]
        await response(scope, receive, send)


def _bad_request(exc: Exception, body: ErrorBody | None) -> ErrorAnswer:
    known = isinstance(exc, HTTPException | ProviderError)
    # The last two are what a list in place of an object, and brackets a thousand deep, make of a parser's code.
    if not known and isinstance(
        exc, StreamError | ValueError | LookupError | TypeError | AttributeError | RecursionError
    ):
        # A KeyError's text is its key, which says nothing by itself.
        reason = f"{exc.args[0]} is missing" if type(exc) is KeyError and exc.args else str(exc)
        return refuse(400, reason or type(exc).__name__, body=body)
    return answer(exc, body)
