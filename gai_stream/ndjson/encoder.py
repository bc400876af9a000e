"""Values to lines of JSON."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any

import msgspec
import orjson

from gai_stream import _json
from gai_stream.exceptions import EncodeError

__all__ = ["NDJSONEncoder"]

# A union would be built anew for each message.
_BYTES = (bytes, bytearray, memoryview)


class NDJSONEncoder:
    """Turn values into lines: UTF-8, one LF each, and none inside.

    A message is any JSON value; pydantic models, dataclasses, msgspec Structs and attrs objects become objects.
    `default` turns values that JSON does not know into ones it does; `dumps` replaces the whole writer. `compact=False`
    puts a space after each `,` and `:`, for reading along. `timestamp=True` adds the Unix time in seconds to
    objects, under "timestamp". `heartbeat` is what `Writer` sends when nothing else was.
    `plain` says that none of these but `heartbeat` is in use, and that it has not ended.
    """

    media_type = "application/x-ndjson"

    def __init__(
        self,
        *,
        dumps: Callable[[Any], bytes | str] = orjson.dumps,
        compact: bool = True,
        timestamp: bool = False,
        default: _json.Default | None = None,
        heartbeat: bytes = b"\n",
    ) -> None:
        if not callable(dumps):
            raise TypeError(f"dumps must be a function of one value, not {dumps!r}")
        if default is not None and dumps is not orjson.dumps:
            raise ValueError("default is for the built-in writer: call it in your dumps, or leave out dumps")
        if not isinstance(heartbeat, bytes) or not heartbeat.endswith(b"\n"):
            raise ValueError(f"heartbeat must be bytes that end with a line feed, not {heartbeat!r}")
        self.heartbeat: bytes | Callable[[], bytes] = heartbeat
        self._dumps = None if dumps is orjson.dumps else dumps
        self._default = default
        self._compact = compact
        self._timestamp = timestamp
        self._finished = False
        self.plain = self._dumps is None and default is None and compact and not timestamp

    def feed(self, message: object, /) -> list[bytes]:
        """Return one message's line. Raises EncodeError before anything is written."""
        if self.plain and type(message) is dict:
            try:
                text = orjson.dumps(message, _json.to_jsonable)
                # A copy on purpose (so no OPT_APPEND_NEWLINE): keeping orjson's own buffers takes five times as long.
                return [(text if text.isascii() else _json.escape_separators(text)) + b"\n"]
            except TypeError:
                pass
        if self._finished:
            raise RuntimeError("NDJSONEncoder: feed after finish")
        if isinstance(message, _BYTES):
            raise EncodeError("bytes are not a message: give a JSON value, such as a str or a dict")
        if self._timestamp:
            message = _json.with_timestamp(message, int(time()), self._default)
        text = _json.dumps(message, self._default) if self._dumps is None else _dumps_custom(self._dumps, message)
        if not self._compact:
            try:
                text = msgspec.json.format(text, indent=0)
            except (msgspec.MsgspecError, RecursionError, UnicodeError) as exc:
                raise EncodeError(f"dumps did not write JSON: {exc}") from exc
        return [text + b"\n"]

    def finish(self) -> list[bytes]:
        """Return nothing: every message left whole."""
        if self._finished:
            raise RuntimeError("NDJSONEncoder: finish after finish")
        self._finished = True
        self.plain = False
        return []

    def comment(self, text: str) -> bytes:
        """Raise EncodeError: NDJSON has no comments."""
        raise EncodeError(f"NDJSON has no comments: send a value that your clients ignore instead of {text[:80]!r}")


def _dumps_custom(dumps: Callable[[Any], bytes | str], message: object) -> bytes:
    """Return what a custom `dumps` writes, if it is one line."""
    try:
        text = dumps(message)
    except (TypeError, ValueError, RecursionError) as exc:
        raise EncodeError(f"value cannot be written as JSON: {exc}") from exc
    if isinstance(text, str):
        text = _json.replace_surrogates(text).encode()
    if not isinstance(text, bytes):
        raise EncodeError(f"dumps must return bytes or str, not {type(text).__name__}")
    if b"\n" in text or b"\r" in text:
        raise EncodeError(f"dumps must write one line, without LF or CR: {text[:80]!r}")
    return _json.escape_separators(text)
