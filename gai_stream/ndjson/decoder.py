"""Lines of JSON to values."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from operator import length_hint
from typing import Any, Literal

import orjson

from gai_stream._options import check_bytes
from gai_stream.exceptions import DecodeError, LimitExceeded

__all__ = ["Loads", "NDJSONDecoder", "OnError"]

Loads = Callable[[bytes], Any]
OnError = Literal["raise", "skip"] | Callable[[DecodeError], object]

_BOM = b"\xef\xbb\xbf"
# RFC 8259: "Space", "Horizontal tab", "Line feed or New line", "Carriage return". bytes.strip() takes VT and FF too.
_WHITE_SPACE = b" \t\r"


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
        own_loads = loads is not orjson.loads
        self._loads = _loads_exact() if exact_ints else _refuse_blank(loads) if own_loads else loads
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
        # Reading a line a second time must not show.
        self._can_be_plain = not own_loads
        # Whether the next chunk may be read at once: nothing pends, and no line is being dropped.
        self._plain = self._can_be_plain
        # Whether there were blank lines.
        self._blanks = False
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
        if type(chunk) is not bytes:
            chunk = _as_bytes(chunk)
        if self._plain and (values := self._read_plain(chunk)) is not None:
            return values
        self._plain = False
        self._waiting.append(chunk)
        values = self._give()
        self._plain = self._can_be_plain and self._bom is None and not self._dropped and not self.pending
        return values

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

    def _read_plain(self, chunk: bytes) -> list[Any] | None:
        """Return the values of a chunk in which nothing is wrong; None where something is, which is left as it was."""
        if self._bom is not None:
            if not chunk or chunk[0] == _BOM[0]:
                return None
            self._bom = None
        lines = chunk.split(b"\n")
        rest = lines.pop()
        size = len(self._tail) + len(chunk)
        if self._limit is not None and size > self._limit:
            return None
        values: list[Any] = []
        if lines:
            if self._tail:
                lines[0] = b"".join((self._tail, lines[0]))
            try:
                if len(lines) == 1:
                    values = [self._loads(lines[0])]
                else:
                    values = [*map(self._loads, filter(None, lines) if self._blanks else lines)]
            except Exception:  # noqa: BLE001 - the careful way finds it again, and says where
                self._blanks = self._blanks or b"" in lines
                return None
            self._line_number += len(lines)
            self._offset += size - len(rest)
            if self._tail:
                self._tail = bytearray()
        if rest:
            self._tail += rest
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
        elif _is_bad_line(exc):
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


def _loads_exact() -> Loads:
    """Return a reader that keeps integers of any size."""
    import msgspec

    return msgspec.json.Decoder().decode


def _is_bad_line(exc: Exception) -> bool:
    """Tell what a reader of JSON raises for bad input from what a custom `loads` raises for its caller to see."""
    import msgspec

    return isinstance(exc, (ValueError, RecursionError, msgspec.MsgspecError, DecodeError))


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
    if isinstance(chunk, bytes | bytearray | memoryview):
        return bytes(chunk)
    fix = ": use text.encode()" if isinstance(chunk, str) else ""
    raise TypeError(f"NDJSONDecoder: chunks must be bytes, not {type(chunk).__name__}{fix}")
