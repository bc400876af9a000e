"""The three ways to answer with a stream: as Server-Sent Events, as NDJSON, or as the client asks."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from itertools import count
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from starlette.background import BackgroundTask
from starlette.requests import HTTPConnection
from starlette.types import Scope

from gai_stream import _json
from gai_stream.dialects import registry
from gai_stream.events import Failure
from gai_stream.lift import Lift
from gai_stream.ndjson import NDJSONEncoder
from gai_stream.sse import ServerSentEvent, SSEEncoder
from gai_stream.transform import Transform
from gai_stream.writer import Framing

from .errors import refuse
from .headers import CORS
from .negotiation import MEDIA_TYPES, choose
from .report import OnEnd
from .response import StreamResponse

__all__ = ["StreamOptions", "framed_response", "ndjson_response", "sse_response", "stream_response"]

Encoder: TypeAlias = str | Transform[Any, Any] | type[Any] | None
Stream: TypeAlias = AsyncIterable[Any] | Iterable[Any]
FramingName: TypeAlias = Literal["sse", "ndjson"]


class StreamOptions(TypedDict, total=False):
    """The options of every streamed response. Times are in seconds."""

    status: int
    headers: Mapping[str, str] | None
    heartbeat: float | None
    hold: float | None
    cors: CORS
    send_timeout: float | None
    compress: bool
    on_end: OnEnd | None
    background: BackgroundTask | None


def sse_response(
    stream: Stream,
    *,
    encoder: Encoder = "gai",
    retry: int | None = None,
    ids: bool | Iterable[object] = False,
    **options: Unpack[StreamOptions],
) -> StreamResponse:
    """Answer with `stream` as Server-Sent Events.

    `stream` is an async or sync iterable of `str`, events, ServerSentEvents or JSON values, or what the streaming calls
    of openai, anthropic, google-genai, ollama, LangChain and LangGraph return.
    `encoder` is a dialect's name ("gai", "gai_v1", "openai"), an encoder, or None for framing only.

    - `retry`: reconnection time for the client in ms, sent with the first message.
    - `ids`: True numbers the messages from 1; or an iterable of ids. Messages that have one keep it.
    - `status`, `headers`: of the response; your headers win over ours.
    - `heartbeat`: seconds of silence before a heartbeat, 15 by default; None for none.
    - `hold`: seconds to wait for the first message before the headers leave, 2 by default; until then a failing
      source gets a real status. 0 sends headers at once, None waits for the first message or heartbeat.
    - `cors`: "*" (default), an origin or several, or None for no CORS headers.
    - `send_timeout`: seconds that a client may take nothing, 30 by default; None for ever.
    - `compress`: True compresses as the client accepts (gzip, br or zstd), flushed with every message.
    - `on_end`: called once with a `Summary`, whatever happened; may be async.
    - `background`: a Starlette BackgroundTask, run after the response.

    Raises TypeError for a stream that cannot be iterated, and ValueError for a meaningless option, naming it.
    """
    return _sse(stream, encoder, retry, ids, options)


def ndjson_response(
    stream: Stream,
    *,
    encoder: Encoder = "gai",
    flush_interval: float | None = None,
    timestamp: bool = False,
    compact: bool = True,
    **options: Unpack[StreamOptions],
) -> StreamResponse:
    """Answer with `stream` as NDJSON, one JSON value a line.

    Streams, encoders and the other options are those of `sse_response`. `flush_interval` sends the first line at once
    and later ones together, at most that many seconds late. `timestamp=True` adds the Unix time in seconds to each
    object; `compact=False` puts spaces after `,` and `:`, for reading along.
    """
    return _ndjson(stream, encoder, flush_interval, timestamp, compact, options)


def stream_response(
    request: HTTPConnection | Scope,
    stream: Stream,
    *,
    encoder: Encoder = "gai",
    retry: int | None = None,
    ids: bool | Iterable[object] = False,
    flush_interval: float | None = None,
    timestamp: bool = False,
    compact: bool = True,
    **options: Unpack[StreamOptions],
) -> StreamResponse:
    """Answer with `stream` in the form that the client's Accept header likes best; 406 when it likes none.

    `text/event-stream` gets SSE; `application/x-ndjson`, `application/jsonl` and `application/json` get NDJSON. On a
    tie SSE wins where the path says `/sse` or `/events`, else what was named first; SSE is the default. `request` is a
    Starlette request or an ASGI scope. The options are those of `sse_response` and `ndjson_response`; `retry` and
    `ids` apply to SSE, `flush_interval`, `timestamp` and `compact` to NDJSON.
    """
    scope = request.scope if isinstance(request, HTTPConnection) else request
    chosen = choose(scope)
    if chosen == "text/event-stream":
        return _sse(stream, encoder, retry, ids, options, vary="Accept")
    refusal = None
    if chosen is None:
        refusal = refuse(406, f"this stream comes as {', '.join(MEDIA_TYPES)}; Accept names none of them")
    media_type = MEDIA_TYPES[chosen or "application/x-ndjson"]
    return _ndjson(
        stream,
        encoder,
        flush_interval,
        timestamp,
        compact,
        options,
        media_type=media_type,
        refusal=refusal,
        vary="Accept",
    )


def framed_response(
    stream: Stream,
    framing: Framing,
    *,
    encoder: Transform[Any, Any],
    flush_interval: float | None = None,
    **options: Unpack[StreamOptions],
) -> StreamResponse:
    """Answer with `stream` in a framing of your own, which `encoder` makes messages for.

    The heartbeat is the framing's own, whatever the encoder's dialect sends elsewhere: only the framing knows what can
    stand between two of its messages. The options are those of `sse_response`.
    """
    return _response(stream, encoder, "ndjson", framing, options, silence="framing", flush_interval=flush_interval)


def _sse(
    stream: Stream,
    encoder: Encoder,
    retry: int | None,
    ids: bool | Iterable[object],
    options: StreamOptions,
    **negotiated: Any,
) -> StreamResponse:
    framing = SSEEncoder(ids=count(1) if ids is True else ids or None, retry=retry)
    return _response(stream, encoder, "sse", framing, options, **negotiated)


def _ndjson(
    stream: Stream,
    encoder: Encoder,
    flush_interval: float | None,
    timestamp: bool,
    compact: bool,
    options: StreamOptions,
    **negotiated: Any,
) -> StreamResponse:
    framing = NDJSONEncoder(compact=compact, timestamp=timestamp)
    return _response(stream, encoder, "ndjson", framing, options, flush_interval=flush_interval, **negotiated)


def _response(
    stream: Stream,
    encoder: Encoder,
    framing_name: FramingName,
    framing: Framing,
    options: StreamOptions,
    *,
    silence: Literal["dialect", "framing"] = "dialect",
    **more: Any,
) -> StreamResponse:
    """Return the response. `silence` says whose heartbeat counts where both have one."""
    options = options.copy()
    dialect = _encoder(encoder, framing_name)
    heartbeat = getattr(dialect, "heartbeat", None)
    if heartbeat is not None and silence == "dialect":
        framing.heartbeat = heartbeat
    if needed := getattr(dialect, "headers", None):
        given = options.get("headers") or {}
        named = {name.lower() for name in given}
        options["headers"] = {**{name: value for name, value in needed.items() if name not in named}, **given}
    lift = None if encoder is None else Lift()
    error_body = getattr(dialect, "error_body", None)
    return StreamResponse(stream, framing=framing, encoder=dialect, lift=lift, error_body=error_body, **options, **more)


def _encoder(encoder: Encoder, framing: FramingName) -> Transform[Any, Any]:
    """Return the encoder that the caller means, made for `framing`."""
    if encoder is None:
        return _Plain(framing)
    make: Any = encoder
    if isinstance(encoder, str):
        make = registry.dialect(encoder).encoder
        if make is None:
            raise ValueError(f"encoder: the dialect {encoder!r} can be read, not written")
    made: Transform[Any, Any] = make(framing=framing) if isinstance(make, type) else make
    if not callable(getattr(made, "feed", None)) or not callable(getattr(made, "finish", None)):
        raise TypeError(f"encoder must be a dialect's name, an encoder or None, not {type(encoder).__name__}")
    return made


class _Plain:
    """Framing only: no dialect and no terminal frame. But a failure must not look like an end, so it is told."""

    def __init__(self, framing: FramingName) -> None:
        self._framing = framing

    def feed(self, event: Any, /) -> list[Any]:
        if type(event) is not Failure:
            return [event]
        error = {"code": event.code, "message": event.message}
        if self._framing == "ndjson":
            return [{"error": error}]
        return [ServerSentEvent(_json.dumps(error).decode(), event="error")]

    def finish(self) -> list[Any]:
        return []
