"""The body of one answer: bytes to events, whatever a server makes of streaming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from gai_stream import _json
from gai_stream.dialects._errors import provider_error
from gai_stream.dialects.gemini import JSONArrayDecoder
from gai_stream.dialects.registry import Dialect
from gai_stream.events import Done, Event, Failure, Raw, Start
from gai_stream.exceptions import DecodeError, LimitExceeded, ProviderError, StreamError, TruncatedStream
from gai_stream.ndjson import NDJSONDecoder
from gai_stream.sse import SSEDecoder

__all__ = ["Answer"]

_BLANK: Final = b"\xef\xbb\xbf \t\r\n"
_ERROR_KEYS: Final = frozenset({"error", "message", "detail", "errors"})


class Answer:
    """Turn the bytes of one body, however they are cut, into the events of `dialect`.

    Servers answer with pages, and where a stream was asked for with a whole answer or an error as one JSON value: the
    first byte decides. `name` is the provider's, for messages; `max_event_size` is in bytes, and bounds a line and a
    whole answer too.

    A message that cannot be read is skipped and counted in `malformed`; where `strict`, it is a Failure and the end.
    Whatever else is wrong is raised as ProviderError, behind the events before it. No message quotes what was sent.
    """

    def __init__(self, dialect: Dialect, *, name: str, max_event_size: int, strict: bool) -> None:
        if dialect.decoder is None:
            raise ValueError(f"dialect {dialect.name!r} is only written, not read")
        self._name = name
        self._limit = max_event_size
        self._strict = strict
        self._decoder = dialect.decoder()
        self._framing: SSEDecoder | NDJSONDecoder | JSONArrayDecoder
        if dialect.framing == "sse":
            self._framing = SSEDecoder(
                max_event_size=max_event_size, on_ignored=getattr(self._decoder, "ignored", None)
            )
        else:
            self._framing = NDJSONDecoder(loads=_json.loads, max_line_size=max_event_size)
        self._is_gemini = dialect.name in ("gemini", "antigravity")
        # In NDJSON, a stream begins as an object does.
        self._values = (b"{", b"[") if dialect.framing == "sse" else (b"[",)
        self._begun = False
        self._ended = False
        self._value: bytearray | None = None
        self.malformed = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events of the next bytes."""
        if not self._begun:
            chunk = chunk.lstrip(_BLANK)
            self._begun = bool(chunk)
            if chunk.startswith(b"<"):
                raise ProviderError("invalid_response", f"{self._name} answered with a page instead of a stream")
            if self._is_gemini and chunk.startswith(b"["):
                # What Google streams to those who ask without `alt=sse`.
                self._framing = JSONArrayDecoder(max_value_size=self._limit)
            elif chunk.startswith(self._values):
                self._value = bytearray()
        if self._value is None:
            yield from self._messages(chunk)
            return
        self._value += chunk
        if len(self._value) > self._limit:
            raise self._too_large()

    def finish(self) -> Iterator[Event]:
        """Yield the last events, once the body ended."""
        if self._value is not None:
            yield from self._one_value(bytes(self._value))
            return
        self._ended = True
        # Some servers forget the last blank line. A browser would drop the event; the answer's end may be in it.
        yield from self._messages(b"\n\n")
        try:
            yield from self._decoder.finish()
        except TruncatedStream as exc:
            raise self._unfinished() from exc

    def rest(self) -> list[Event]:
        """Return the end of an answer whose connection broke, if it lacks only its terminator; else nothing."""
        try:
            return self._decoder.finish() if self._value is None else []
        except StreamError:
            return []

    def _messages(self, chunk: bytes) -> Iterator[Event]:
        more = True
        while more:
            messages: Sequence[Any] = ()
            try:
                messages = self._framing.feed(chunk)
            except LimitExceeded as exc:
                raise self._too_large() from exc
            except DecodeError:
                yield from self._unreadable()
            for message in messages:
                try:
                    events = self._decoder.feed(message)
                except LimitExceeded as exc:
                    raise ProviderError("invalid_response", f"{self._name} sent too much: {exc}") from exc
                except DecodeError:
                    events = self._unreadable()
                yield from events
            chunk, more = b"", not isinstance(self._framing, SSEDecoder) and self._framing.pending

    def _one_value(self, body: bytes) -> Iterator[Event]:
        """Yield the events of a body that is one JSON value: an answer, a stream's pieces in an array, or an error."""
        value: Any = None
        events: list[Event] = []
        try:
            value = _json.loads(body)
            for piece in value if isinstance(value, list) else [value]:
                events += self._decoder.feed(piece)
            events += self._decoder.finish()
        except (StreamError, TypeError) as exc:
            told = value[0] if isinstance(value, list) and value else value
            if isinstance(told, dict) and told.keys() & _ERROR_KEYS:
                raise provider_error(value) from exc
            if all(isinstance(event, Start | Raw) for event in events):
                raise ProviderError("invalid_response", f"{self._name} answered with JSON that is no answer") from exc
            yield from events
            raise self._unfinished() from exc
        yield from events

    def _unreadable(self) -> list[Event]:
        # What the body's end has cut is missing, rather than malformed.
        if self._ended:
            return []
        self.malformed += 1
        if not self._strict:
            return []
        return [Failure("invalid_response", f"{self._name} sent a message that cannot be read"), Done(finished=False)]

    def _unfinished(self) -> ProviderError:
        return ProviderError("truncated", f"{self._name} did not finish its answer")

    def _too_large(self) -> ProviderError:
        message = f"{self._name} sent more than {self._limit} bytes in one piece (max_event_size)"
        return ProviderError("invalid_response", message)
