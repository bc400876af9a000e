"""Messages to bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from time import time
from typing import Any

from gai_stream import _json
from gai_stream.exceptions import EncodeError

from .message import ServerSentEvent, check_line

__all__ = ["SSEEncoder"]

# "Lines must be separated by either CRLF, LF or CR": nothing else ends one.
_LINE_END = re.compile("\r\n|\n|\r")
_LF, _CR = b"\n\r"
_LINE_END_BYTES = re.compile(b"\r\n|\n|\r")


class SSEEncoder:
    """Turn messages into the bytes of an event stream: LF only, UTF-8, one block a message.

    A message is a ServerSentEvent, a `str` (sent as `data`), or any other JSON value (sent as its JSON text).
    `ids` numbers messages that lack an id, such as `itertools.count(1)`. `retry`, the reconnection time in ms, rides
    with the first message, if that has none of its own. `default` turns values that JSON does not know into ones it
    does; pydantic models, dataclasses, msgspec Structs and attrs objects need none.
    `compact=False` indents JSON over several `data:` lines, for reading along. `timestamp=True` adds the Unix time in
    seconds to JSON objects, under "timestamp". `heartbeat` is what `Writer` sends when nothing else was.

    `plain` says whether a message's bytes depend on the message alone: neither numbered nor first, nor after the end.
    """

    media_type = "text/event-stream; charset=utf-8"
    text_overhead = len(b"data: \n\n")
    """How many bytes stand around a `str` message of one line."""

    def __init__(
        self,
        *,
        ids: Iterable[object] | None = None,
        retry: int | None = None,
        default: _json.Default | None = None,
        compact: bool = True,
        timestamp: bool = False,
        # A comment line alone: with a blank line behind it, decoders of the OpenAI SDK's family dispatch an empty
        # event once an id was seen.
        heartbeat: bytes = b": keep-alive\n",
    ) -> None:
        if ids is not None and (not isinstance(ids, Iterable) or isinstance(ids, str | bytes)):
            raise TypeError(f"ids must be an iterable of ids, such as itertools.count(1), not {ids!r}")
        if not isinstance(heartbeat, bytes) or not heartbeat.endswith(b"\n"):
            raise ValueError(f"heartbeat must be bytes that end with a line feed, not {heartbeat!r}")
        if retry is not None:
            ServerSentEvent(retry=retry)
        self.heartbeat: bytes | Callable[[], bytes] = heartbeat
        self._retry = retry
        self._ids = iter(ids) if ids is not None else None
        self._default = default
        self._compact = compact
        self._timestamp = timestamp
        self._finished = False
        self.plain = ids is None and retry is None

    def feed(self, message: Any, /) -> list[bytes]:
        """Return one message's block. Raises EncodeError before anything is written."""
        if self.plain:
            # Nearly every message is one of these two, of one line: they do not take the long way.
            try:
                if type(message) is str:
                    if "\n" not in message and "\r" not in message:
                        return [f"data: {message}\n\n".encode()]
                elif type(message) is ServerSentEvent:
                    event, data = message.event, message.data
                    plain = event and event != "message" and message.id is None and message.retry is None
                    if plain and message.comment is None and "\n" not in data and "\r" not in data:
                        return [f"event: {event}\ndata: {data}\n\n".encode()]
            except UnicodeEncodeError:
                pass
        if self._finished:
            raise RuntimeError("SSEEncoder: feed after finish")
        # Exact types first, for speed alone.
        if type(message) is not dict:
            if type(message) is str:
                return [self._block(message)]
            if isinstance(message, ServerSentEvent):
                return [self._block(message.data, message.event, message.id, message.retry, message.comment)]
            if isinstance(message, str):
                return [self._block(ServerSentEvent(message).data)]
            if isinstance(message, bytes | bytearray | memoryview):
                raise EncodeError("bytes are not a message: give a ServerSentEvent, a str or a JSON value")
        text = self._json(message)
        if self._ids is not None or self._retry is not None:
            return [self._block(text.decode(errors="replace"))]
        # Not only indented JSON has several lines: an `orjson.Fragment` is written as it is.
        if _LF in text or _CR in text:
            text = b"\ndata: ".join(_LINE_END_BYTES.split(text))
        return [b"data: %b\n\n" % text]

    def feed_texts(self, texts: list[str]) -> bytes:
        """Return the blocks of one or more `str` messages, for an encoder that is `plain`."""
        blocks = "\n\ndata: ".join(texts)
        if blocks.count("\n") == 2 * len(texts) - 2 and "\r" not in blocks:
            try:
                return f"data: {blocks}\n\n".encode()
            except UnicodeEncodeError:
                pass
        return b"".join(map(self._block, texts))

    def finish(self) -> list[bytes]:
        """Return nothing: every message left whole."""
        if self._finished:
            raise RuntimeError("SSEEncoder: finish after finish")
        self._finished = True
        self.plain = False
        return []

    def comment(self, text: str) -> bytes:
        """Return a lone comment line. Raises EncodeError for text of several lines."""
        return self.feed(ServerSentEvent(comment=text))[0]

    def _block(
        self,
        data: str,
        event: str = "message",
        id: str | None = None,
        retry: int | None = None,
        comment: str | None = None,
    ) -> bytes:
        head = ""
        if comment is not None:
            head = f": {comment}\n"
            if not data and event == "message" and id is None and retry is None:
                return head.encode()
        if id is None and self._ids is not None:
            id = _next_id(self._ids)
        if id is not None:
            head += f"id: {id}\n"
        # An empty type means the same as none, and some clients do not know that.
        if event != "message" and event:
            head += f"event: {event}\n"
        # Not in a block of its own: clients of the OpenAI SDK's family dispatch an empty event for that.
        if self._retry is not None:
            retry, self._retry = self._retry if retry is None else retry, None
            self.plain = self._ids is None
        if retry is not None:
            head += f"retry: {retry}\n"
        if "\n" in data or "\r" in data:
            data = "\ndata: ".join(_LINE_END.split(data))
        block = f"{head}data: {data}\n\n"
        try:
            return block.encode()
        except UnicodeEncodeError:
            return _json.replace_surrogates(block).encode()

    def _json(self, value: Any) -> bytes:
        if self._timestamp:
            value = _json.with_timestamp(value, int(time()), self._default)
        return _json.dumps(value, self._default, indent=not self._compact)


def _next_id(ids: Iterator[object]) -> str:
    try:
        id = str(next(ids))
    except StopIteration:
        raise EncodeError("ids ran out: give an iterable that does not end, such as itertools.count(1)") from None
    check_line("id", id)
    return id
