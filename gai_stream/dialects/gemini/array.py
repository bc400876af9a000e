"""One JSON array as a stream of its values: what the API sends to those who do not ask for `alt=sse`."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

from gai_stream import _json
from gai_stream._options import check_bytes
from gai_stream.exceptions import DecodeError, EncodeError, LimitExceeded, TruncatedStream

__all__ = ["JSONArrayDecoder", "JSONArrayEncoder"]

_BOM: Final = b"\xef\xbb\xbf"
_BACKSLASH: Final = 0x5C
_SPACE = re.compile(rb"[ \t\r\n]*")
_BRACKET_OR_QUOTE = re.compile(rb'["{}\[\]]')
# A text up to its closing quote, or up to a backslash whose other half is still to come.
_QUOTED = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_BARE = re.compile(rb"[^ \t\r\n,\]]*+")


class _State(Enum):
    """Where the reading stands: what may come next."""

    START = auto()
    FIRST = auto()
    """Behind `[`: a value or `]`."""
    NEXT = auto()
    """Behind a comma: a value."""
    INSIDE = auto()
    BEHIND = auto()
    """Behind a value: a comma or `]`."""
    END = auto()
    BROKEN = auto()


class JSONArrayDecoder:
    """Turn chunks of bytes into the values of one JSON array, each as soon as its last byte is there.

    One object in place of the array is one value: so come errors, and answers that were not streamed. White space and
    one byte order mark at the very start are skipped. `max_value_size` is in bytes; None means no limit.

    A value that cannot be read is a DecodeError, one that is too long LimitExceeded, and reading goes on behind it: as
    long as `pending` is true, `feed(b"")` (or `finish()`, at the end) gives what stood there. Behind bytes that belong
    to no value and no array nothing can be read: they are a DecodeError, and the rest is dropped. Input that ends
    before its array is TruncatedStream.
    """

    def __init__(self, *, max_value_size: int | None = 1 << 20) -> None:
        check_bytes("max_value_size", max_value_size, optional=True)
        self._limit = max_value_size
        self._state = _State.START
        self._bom = 0
        self._alone = False
        # The chunks that wait, how much of the first was read, and where in the input it begins.
        self._waiting: deque[bytes] = deque()
        self._place = 0
        self._offset = 0
        # The value that is being read: its bytes so far, and how it is nested.
        self._value = bytearray()
        self._value_offset = 0
        self._size = 0
        self._too_long = False
        self._depth = 0
        self._bare = False
        self._quoted = False
        self._escaped = False
        self._error: Exception | None = None
        self._finishing = False
        self._finished = False

    @property
    def pending(self) -> bool:
        """Whether more stands behind what the last call gave: values, or an error to be raised."""
        return self._error is not None or bool(self._waiting)

    def feed(self, chunk: bytes, /) -> list[Any]:
        """Take the next bytes and return the values that they complete."""
        if self._finishing:
            raise RuntimeError("JSONArrayDecoder: feed after finish")
        if not isinstance(chunk, bytes | bytearray | memoryview):
            fix = ": use text.encode()" if isinstance(chunk, str) else ""
            raise TypeError(f"JSONArrayDecoder: chunks must be bytes, not {type(chunk).__name__}{fix}")
        self._waiting.append(bytes(chunk))
        return self._give()

    def finish(self) -> list[Any]:
        """Say that no more bytes come. Raises TruncatedStream if the array has not ended.

        After an error, and as long as `pending` is true, it is to be called again.
        """
        if self._finished:
            raise RuntimeError("JSONArrayDecoder: finish after finish")
        self._finishing = True
        values = self._give()
        if not self.pending and self._state not in (_State.END, _State.BROKEN):
            self._state = _State.BROKEN
            truncated = TruncatedStream("the input ended before its JSON array did")
            if not values:
                self._finished = True
                raise truncated
            self._error = truncated
        self._finished = not self.pending
        return values

    def _give(self) -> list[Any]:
        """Return the values up to the next error, or raise it when it comes first."""
        values: list[Any] = []
        while self._error is None and self._waiting:
            chunk = self._waiting[0]
            if self._place == len(chunk):
                self._waiting.popleft()
                self._offset += len(chunk)
                self._place = 0
            elif self._state is _State.INSIDE:
                self._place = self._read(chunk, self._place, values)
            else:
                self._place = self._step(chunk, self._place)
        if self._error is not None and not values:
            error, self._error = self._error, None
            raise error
        return values

    def _step(self, chunk: bytes, place: int) -> int:
        """Go on between the values, and return where to read on: behind a mark, or at the first byte of a value."""
        place = _SPACE.match(chunk, place).end()  # type: ignore[union-attr]  # matches no bytes too
        mark = chunk[place : place + 1]
        match self._state, mark:
            case _, b"":
                return place
            case _State.START, b"[" if self._bom in (0, len(_BOM)):
                self._state = _State.FIRST
            case _State.START, b"{" if self._bom in (0, len(_BOM)):
                self._alone = True
                return self._begin(mark, place)
            case _State.START, _ if mark == _BOM[self._bom : self._bom + 1]:
                self._bom += 1
            case ((_State.FIRST | _State.BEHIND), b"]"):
                self._state = _State.END
            case _State.BEHIND, b",":
                self._state = _State.NEXT
            case ((_State.FIRST | _State.NEXT), _) if mark not in b",]}:":
                return self._begin(mark, place)
            case _State.BROKEN, _:
                return len(chunk)
            case _:
                self._state = _State.BROKEN
                offset = self._offset + place
                self._error = DecodeError(f"byte {offset} is no part of a JSON array: {mark!r}", offset=offset)
        return place + 1

    def _begin(self, mark: bytes, place: int) -> int:
        self._state = _State.INSIDE
        self._value_offset = self._offset + place
        self._size = self._depth = 0
        self._bare = mark not in b'{["'
        return place

    def _read(self, chunk: bytes, place: int, values: list[Any]) -> int:
        """Read on in a value, as far as it goes in `chunk`, and return where that is."""
        end = self._end_of_value(chunk, place)
        is_whole = self._state is _State.BEHIND
        self._size += end - place
        if self._limit is not None and self._size > self._limit and not self._too_long:
            self._too_long = True
            self._value.clear()
            self._error = LimitExceeded(
                f"the value at byte {self._value_offset} is longer than max_value_size={self._limit} bytes",
                option="max_value_size",
                limit=self._limit,
            )
        if not self._too_long:
            self._value += memoryview(chunk)[place:end]
        if is_whole:
            if self._alone:
                self._state = _State.END
            self._take(values)
        return end

    def _take(self, values: list[Any]) -> None:
        """Append the value that is whole now."""
        text, self._value = bytes(self._value), bytearray()
        if self._too_long:
            self._too_long = False
            return
        try:
            values.append(_json.loads(text))
        except DecodeError as exc:
            message = f"the value at byte {self._value_offset} cannot be read: {exc}"
            self._error = DecodeError(message, line=text, offset=self._value_offset)

    def _end_of_value(self, chunk: bytes, place: int) -> int:
        """Return the end of the value that goes on at `place`, or of the chunk; `_state` says which."""
        if self._bare:
            place = _BARE.match(chunk, place).end()  # type: ignore[union-attr]  # matches no bytes too
            if place < len(chunk):
                self._state = _State.BEHIND
            return place
        while place < len(chunk):
            if self._escaped:
                self._escaped = False
                place += 1
            elif self._quoted:
                place = _QUOTED.match(chunk, place).end()  # type: ignore[union-attr]  # matches no bytes too
                if place < len(chunk):
                    self._quoted = self._escaped = chunk[place] == _BACKSLASH
                    place += 1
                    if not self._quoted and self._depth == 0:
                        self._state = _State.BEHIND
                        return place
            elif (found := _BRACKET_OR_QUOTE.search(chunk, place)) is None:
                return len(chunk)
            else:
                place = found.end()
                if found[0] == b'"':
                    self._quoted = True
                elif found[0] in b"{[":
                    self._depth += 1
                else:
                    self._depth -= 1
                    if self._depth == 0:
                        self._state = _State.BEHIND
                        return place
        return place


class JSONArrayEncoder:
    """Turn values into one JSON array: `[{..}` and then `,{..}` for each, `]` at the end; `[]` where there were none.

    A message is any JSON value, as for NDJSONEncoder. An array has nothing that a client would skip: there is no
    heartbeat and no comment.
    """

    media_type = "application/json"
    heartbeat: bytes | Callable[[], bytes] = b""

    def __init__(self) -> None:
        self._begun = False
        self._finished = False

    def feed(self, message: object, /) -> list[bytes]:
        """Return one message's part of the array. Raises EncodeError before anything is written."""
        if self._finished:
            raise RuntimeError("JSONArrayEncoder: feed after finish")
        if isinstance(message, bytes | bytearray | memoryview):
            raise EncodeError("bytes are not a message: give a JSON value, such as a str or a dict")
        text = _json.dumps(message)
        lead, self._begun = b"\n,\r\n" if self._begun else b"[", True
        return [lead + text]

    def finish(self) -> list[bytes]:
        """Return the end of the array."""
        if self._finished:
            raise RuntimeError("JSONArrayEncoder: finish after finish")
        self._finished = True
        return [b"\n]" if self._begun else b"[]"]

    def comment(self, text: str) -> bytes:
        """Raise EncodeError: JSON has no comments."""
        raise EncodeError(f"JSON has no comments: send a value that your clients ignore instead of {text[:80]!r}")
