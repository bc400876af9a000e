"""Newline-delimited JSON: one value a line, ended by LF and by nothing else.

Source: https://github.com/ndjson/ndjson-spec and https://jsonlines.org; white space as in RFC 8259, section 2.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from operator import length_hint
from time import time
from typing import Any, Literal

import msgspec
import orjson

from . import _json
from ._options import check_bytes
from .exceptions import DecodeError, EncodeError, LimitExceeded

__all__ = ["NDJSONDecoder", "NDJSONEncoder"]

Loads = Callable[[bytes], Any]
OnError = Literal["raise", "skip"] | Callable[[DecodeError], object]

_BOM = b"\xef\xbb\xbf"
# RFC 8259: "Space", "Horizontal tab", "Line feed or New line", "Carriage return". bytes.strip() takes VT and FF too.
_WHITE_SPACE = b" \t\r"
# A union would be built anew for each message.
_BYTES = (bytes, bytearray, memoryview)
_loads_exact: Loads = msgspec.json.Decoder().decode


class NDJSONDecoder:
    """Turn chunks of bytes into values, whatever the chunks' borders.

    Only LF ends a line; CR around a value is white space. Blank lines, one byte order mark at the very start and a
    missing last LF are accepted. `max_line_size` is in bytes without the LF; None means no limit.

    `on_error` says what a bad line does: "raise" a DecodeError (LimitExceeded for a line that is too long), "skip" it,
    or call your function with the DecodeError and go on. Whatever the policy, reading can go on behind the line: after
    an error was raised, and as long as `pending` is true, `feed(b"")` (or `finish()`, at the end) gives what
    stood behind it. An over-long line costs no memory beyond the limit.

    `loads` reads one line. The default, orjson, turns integers of more than 64 bits into floats; `exact_ints=True`
    reads with msgspec instead, which keeps them.
    """

    def __init__(
        self,
        *,
        loads: Loads = orjson.loads,
        max_line_size: int | None = 1 << 20,
        on_error: OnError = "raise",
        exact_ints: bool = False,
    ) -> None:
        if not callable(loads):
            raise TypeError(f"loads must be a function of one line's bytes, not {loads!r}")
        if exact_ints and loads is not orjson.loads:
            raise ValueError("exact_ints=True brings its own reader: leave out loads, or exact_ints")
        check_bytes("max_line_size", max_line_size, optional=True)
        if on_error not in ("raise", "skip") and not callable(on_error):
            raise ValueError(f'on_error must be "raise", "skip" or a function of a DecodeError, not {on_error!r}')
        if exact_ints:
            self._loads = _loads_exact
        else:
            self._loads = loads if loads is orjson.loads else _refuse_blank(loads)
        self._limit = max_line_size
        self._on_error = on_error
        self._error: Exception | None = None
        # Chunks that came while something was pending; what follows belongs to the input before them.
        self._waiting: deque[bytes] = deque()
        # Whole lines, and the iterator that says which of them were read.
        self._lines: list[bytes] = []
        self._rest: Iterator[bytes] = iter(self._lines)
        self._end = 0
        # `_line_number` and `_offset` are those of the line behind the first `_counted` ones.
        self._counted = 0
        self._line_number = 1
        self._offset = 0
        # The unfinished line, in one buffer: a list of tiny chunks would take many times their size.
        self._tail = bytearray()
        self._dropped = 0
        self._bom: bytes | None = b""
        self._finishing = False
        self._finished = False

    @property
    def pending(self) -> bool:
        """Whether more stands behind what the last call gave: values, or an error to be raised."""
        return self._error is not None or length_hint(self._rest) > 0 or bool(self._waiting)

    def feed(self, chunk: bytes, /) -> list[Any]:
        """Take the next bytes and return the values of the lines that they complete."""
        if self._finishing:
            raise RuntimeError("NDJSONDecoder: feed after finish")
        if not isinstance(chunk, bytes):
            chunk = _as_bytes(chunk)
        self._waiting.append(chunk)
        return self._give()

    def finish(self) -> list[Any]:
        """Say that no more bytes come, and return the value of a last line without LF.

        After an error, and as long as `pending` is true, it is to be called again.
        """
        if self._finished:
            raise RuntimeError("NDJSONDecoder: finish after finish")
        if not self._finishing:
            self._finishing = True
            self._waiting.append(b"\n")
        values = self._give()
        self._finished = not self.pending
        return values

    def _give(self) -> list[Any]:
        """Return the values up to the next error, or raise it when it comes first."""
        values: list[Any] = []
        if self._error is None:
            self._parse(values)
            while self._error is None and self._waiting:
                self._split(self._waiting.popleft())
                self._parse(values)
        if self._error is not None and not values:
            error, self._error = self._error, None
            raise error
        return values

    def _split(self, chunk: bytes) -> None:
        if self._bom is not None:
            chunk = self._without_bom(chunk)
        if self._dropped:
            chunk = self._drop(chunk)
        lines = chunk.split(b"\n")
        tail = lines.pop()
        if lines:
            self._end = self._offset + len(self._tail) + len(chunk) - len(tail)
            if self._tail:
                lines[0] = b"".join((self._tail, lines[0]))
                self._tail = bytearray()
            self._lines, self._rest, self._counted = lines, iter(lines), 0
        self._tail += tail

    def _without_bom(self, chunk: bytes) -> bytes:
        """Return what is no byte order mark; hold back bytes that may become one."""
        chunk = (self._bom or b"") + chunk
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._bom = chunk
            return b""
        self._bom = None
        if chunk.startswith(_BOM):
            self._offset = len(_BOM)
            return chunk[len(_BOM) :]
        return chunk

    def _drop(self, chunk: bytes) -> bytes:
        """Return what stands behind the end of the over-long line."""
        end = chunk.find(b"\n") + 1
        self._dropped += end or len(chunk)
        if not end:
            return b""
        self._line_number += 1
        self._offset += self._dropped
        self._dropped = 0
        return chunk[end:]

    def _parse(self, values: list[Any]) -> None:
        """Append the values of the waiting lines, up to an error that has to be raised."""
        if self._lines:
            # No line is too long where all of them together are not.
            loads = self._loads
            if self._limit is not None and self._end - self._offset > self._limit:
                loads = self._loads_checked
            while True:
                try:
                    # What was read before an error stays in `values`, and `_rest` stands behind the bad line.
                    values.extend(map(loads, filter(None, self._rest)))
                    break
                except Exception as exc:  # noqa: BLE001 - raised by `_give`, now or behind the good values
                    self._error = self._refuse(exc)
                    if self._error is not None:
                        return
            self._line_number += len(self._lines) - self._counted
            self._offset = self._end
            self._lines = []
        if self._limit is not None and len(self._tail) > self._limit:
            self._dropped = len(self._tail)
            self._tail = bytearray()
            self._error = self._judge(_TooLong(), b"")

    def _loads_checked(self, line: bytes) -> Any:
        if self._limit is not None and len(line) > self._limit:
            raise _TooLong
        return self._loads(line)

    def _refuse(self, exc: Exception) -> Exception | None:
        """Return what to raise for the line that was read last; move on behind it."""
        index = len(self._lines) - length_hint(self._rest) - 1
        skipped = self._lines[self._counted : index]
        self._line_number += len(skipped)
        self._offset += sum(map(len, skipped)) + len(skipped)
        line = self._lines[index]
        error = None
        if isinstance(exc, _TooLong) or line.strip(_WHITE_SPACE):
            error = self._judge(exc, line)
        self._counted = index + 1
        self._line_number += 1
        self._offset += len(line) + 1
        return error

    def _judge(self, exc: Exception, line: bytes) -> Exception | None:
        """Return what to raise for `line`, which begins at `_offset`; tell or drop it as `on_error` says."""
        where = f"line {self._line_number} (byte {self._offset})"
        error: Exception
        if isinstance(exc, _TooLong):
            message = f"{where} is longer than max_line_size={self._limit} bytes"
            if self._on_error == "raise":
                return LimitExceeded(message, option="max_line_size", limit=self._limit or 0)
            error = DecodeError(message, line_number=self._line_number, offset=self._offset)
        elif isinstance(exc, _BAD_LINE):
            reason = f"{exc.msg} at column {exc.colno}" if isinstance(exc, json.JSONDecodeError) else exc
            error = DecodeError(
                f"{where} cannot be read: {reason}", line=line, line_number=self._line_number, offset=self._offset
            )
            error.__cause__ = exc
        else:
            return exc
        if callable(self._on_error):
            try:
                self._on_error(error)
            except Exception as own:  # noqa: BLE001 - raised by `_give`, behind the good values
                return own
        return error if self._on_error == "raise" else None


class _TooLong(Exception):
    """Mark a line beyond the limit."""


# What a reader of JSON raises for bad input; anything else that a custom `loads` raises is the caller's to see.
_BAD_LINE = (ValueError, RecursionError, msgspec.MsgspecError, DecodeError)


def _refuse_blank(loads: Loads) -> Loads:
    """Return `loads` with blank lines made errors, as they are for JSON: the decoder then skips them."""

    def refusing(line: bytes) -> Any:
        if not line.strip(_WHITE_SPACE):
            raise ValueError("blank line")
        try:
            return loads(line)
        except StopIteration as exc:
            # Would end the loop over the lines as if there were no more, as in a generator (PEP 479).
            raise RuntimeError("loads raised StopIteration") from exc

    return refusing


def _as_bytes(chunk: object) -> bytes:
    if isinstance(chunk, bytearray | memoryview):
        return bytes(chunk)
    fix = ": use text.encode()" if isinstance(chunk, str) else ""
    raise TypeError(f"NDJSONDecoder: chunks must be bytes, not {type(chunk).__name__}{fix}")


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
        self.heartbeat = heartbeat
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
