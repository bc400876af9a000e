"""Whole endpoints out of a provider and a request parser."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, Protocol, TypeVar

from starlette.types import ASGIApp, Scope

from .endpoint import Endpoint, Prepare
from .response import StreamResponse
from .streams import ndjson_response, sse_response, stream_response

__all__ = ["Prepare", "StreamingProvider", "ndjson_handler", "sse_handler", "stream_handler"]

Asked = TypeVar("Asked")
Asked_contra = TypeVar("Asked_contra", contravariant=True)


class StreamingProvider(Protocol[Asked_contra]):
    """Whoever turns a request into a stream; every provider of `gai_stream.providers` is one."""

    def stream(self, request: Asked_contra, /) -> AsyncIterable[Any] | Iterable[Any]:
        """Return the stream of an answer."""
        ...


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

    return _endpoint(provider, prepare, respond, methods, max_body_size, options)


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

    return _endpoint(provider, prepare, respond, methods, max_body_size, options)


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

    return _endpoint(provider, prepare, respond, methods, max_body_size, options)


def _endpoint(
    provider: StreamingProvider[Any],
    prepare: Prepare[Any],
    respond: Callable[[Scope, Any], StreamResponse],
    methods: Iterable[str],
    max_body_size: int,
    options: dict[str, Any],
) -> Endpoint:
    if not callable(getattr(provider, "stream", None)):
        raise TypeError(f"provider must have a method `stream(request)`, which {type(provider).__name__} lacks")
    if not getattr(provider, "supports_streaming", True):
        raise ValueError(f"provider {getattr(provider, 'name', provider)!r} does not support streaming")
    encoder = options.get("encoder")
    if hasattr(encoder, "feed") and not isinstance(encoder, type):
        raise TypeError("encoder: one object serves one stream; give a handler the dialect's name or the class")
    # Wrong options are found here, not at the first request.
    example = respond({"type": "http", "path": "/", "headers": []}, [])
    return Endpoint(
        prepare,
        lambda scope, asked: respond(scope, provider.stream(asked)),
        methods=methods,
        max_body_size=max_body_size,
        cors=options.get("cors", "*"),
        error_body=example.error_body,
        head=lambda scope: respond(scope, []),
    )
