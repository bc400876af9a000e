"""An answer in the form that the client wants: a stream in one of three framings, or one piece of JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from gai_stream import _json
from gai_stream.asgi import StreamResponse, framed_response, ndjson_response, sse_response
from gai_stream.asgi.streams import StreamOptions
from gai_stream.dialects._encoder import Encoder
from gai_stream.dialects.gemini import JSONArrayEncoder
from gai_stream.events import Done, Event, Failure, Finish, Start
from gai_stream.exceptions import EncodeError, ProviderError, TruncatedStream

from .clients import Asked

__all__ = ["answer"]


def answer(asked: Asked, stream: AsyncIterator[Event], options: StreamOptions) -> StreamResponse:
    """Return the response that answers `asked` with `stream`."""
    match asked.form:
        case "sse":
            return sse_response(stream, encoder=asked.encoder(framing="sse"), **options)
        case "ndjson":
            return ndjson_response(stream, encoder=asked.encoder(framing="ndjson"), **options)
        case "array":
            return framed_response(stream, JSONArrayEncoder(), encoder=asked.encoder(framing="ndjson"), **options)
        case "whole":
            # Nothing may leave before it is known how the answer ends: until then an error has a status of its own.
            quiet: StreamOptions = {**options, "heartbeat": None, "hold": None}
            encoder = _Whole(asked.encoder(framing="ndjson"))
            return framed_response(_complete(stream), _JSON(), encoder=encoder, **quiet)


async def _complete(stream: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """Yield what `stream` does. Raises what makes a status of an answer that has no good end."""
    begun = over = False
    try:
        async for event in stream:
            match event:
                case Start():
                    begun = True
                case Finish(reason="error"):
                    word = event.raw_reason or event.reason
                    raise ProviderError("internal", f"the provider ended its answer with {word!r}")
                case Finish() | Failure():
                    over = True
                case Done(finished=finished):
                    over = over or finished
            yield event
    finally:
        if (aclose := getattr(stream, "aclose", None)) is not None:
            await aclose()
    if begun and not over:
        raise TruncatedStream("the stream ended before the answer did")


class _Whole:
    """Encode an answer, and give it in one piece at its end."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._messages: list[Any] = []
        self.error_body = encoder.error_body

    def feed(self, event: Event, /) -> list[Any]:
        self._messages += self._encoder.feed(event)
        return []

    def finish(self) -> list[Any]:
        return [self._encoder.whole([*self._messages, *self._encoder.finish()])]


class _JSON:
    """One JSON value as the whole body."""

    media_type = "application/json"
    heartbeat: bytes | Callable[[], bytes] = b""
    plain = False

    def feed(self, message: Any, /) -> list[bytes]:
        return [_json.dumps(message)]

    def finish(self) -> list[bytes]:
        return []

    def comment(self, text: str) -> bytes:
        raise EncodeError(f"JSON has no comments: {text[:80]!r} cannot be said")
