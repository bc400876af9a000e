"""Bytes to messages: WHATWG HTML 9.2.5 and 9.2.6 to the letter, at every cut of the input.

Three shortcuts, each with the same result as going byte by byte:

- Line ends become LF before anything else looks at them. A CR ends its line at once; that an LF may still follow it
  is remembered, and is the only thing that needs to be.
- Lines are cut before they are decoded: no byte of a UTF-8 sequence is CR or LF, and a broken sequence never
  swallows one.
- Events that lie whole in a chunk are decoded together and read by their shape. Everything else, and every shape that
  is unusual, goes line by line through `_line`, which is the standard's own algorithm.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, Literal, get_args

from gai_stream._options import check_bytes
from gai_stream.exceptions import LimitExceeded, TruncatedStream

from .characters import without_cut_character
from .message import LONGEST_RETRY, ServerSentEvent, from_wire
from .shapes import read_shape

__all__ = ["OnOversize", "SSEDecoder"]

_NUL, _CR = b"\0\r"
_BOM: Final = b"\xef\xbb\xbf"
_FIELDS: Final = frozenset({b"data", b"event", b"id", b"retry"})
# Beginnings of a line that may still become a field; others can be thrown away before the line's end is seen.
_MAY_BE_FIELD: Final = frozenset(name[:end] for name in _FIELDS for end in range(1, len(name) + 1))
# Keeps what one pass holds small, however large the chunk.
_PIECE: Final = 1 << 16

OnOversize = Literal["raise", "skip", "truncate"]


class SSEDecoder:
    """Turn the bytes of an event stream into messages, as a browser would, each as soon as its blank line is there.

    The size of an event is that of its `data`, `event`, `id` and `retry` lines in bytes, without line ends. One larger
    than `max_event_size` (None: no limit) is treated as `on_oversize` says:

    - "raise": LimitExceeded, behind the messages before it; the decoder is dead and every later call raises it again.
    - "skip": the event is dropped. Its `id` and `retry` still take effect: a reconnect does not ask for it again.
    - "truncate": `data` is cut where the limit is, between two characters, and `data` lines after the cut are dropped.
      A type or id that does not fit is ignored, never cut.

    Lines that are no field cost no memory, however long. `comments=True` yields each comment line as
    `ServerSentEvent(comment=text)`; it must fit too, beside what the event around it holds. `on_ignored(line)` is
    told of each line whose field name nobody knows (some providers put an error there), if it fits; what it raises is
    raised by the decoder as "raise" does it.

    `last_event_id` and `reconnection_time` (ms, None while none was sent) are what a reconnect would use. `finish` sets
    `truncated` to what the input ended inside of, "event", "line" or "character"; an unfinished event is dropped,
    and with `raise_truncated` TruncatedStream says so.
    """

    def __init__(
        self,
        *,
        max_event_size: int | None = 1 << 20,
        comments: bool = False,
        on_ignored: Callable[[bytes], object] | None = None,
        on_oversize: OnOversize = "raise",
        raise_truncated: bool = False,
    ) -> None:
        check_bytes("max_event_size", max_event_size, optional=True)
        if on_oversize not in get_args(OnOversize):
            raise ValueError(f'on_oversize must be "raise", "skip" or "truncate", not {on_oversize!r}')
        if max_event_size is None and on_oversize != "raise":
            raise ValueError(f"on_oversize={on_oversize!r} needs a max_event_size, which is None")
        if on_ignored is not None and not callable(on_ignored):
            raise TypeError(f"on_ignored must be a function of one line, not {on_ignored!r}")
        self.reconnection_time: int | None = None
        self.truncated: Literal["event", "line", "character"] | None = None
        self._limit = sys.maxsize if max_event_size is None else max_event_size
        self._piece = min(self._limit, _PIECE)
        self._comments = comments
        self._on_ignored = on_ignored
        self._on_oversize = on_oversize
        self._raise_truncated = raise_truncated
        self._finished = False
        self._error: Exception | None = None
        # The input so far, while it may still be the beginning of a BOM; then None.
        self._start: bytes | None = b""
        self._after_cr = False
        # The current line, as far as it is here; of one that is thrown away, its last bytes.
        self._partial = bytearray()
        self._dropping = False
        # The last event ID, and the rest: what is known of the current event. `_held` is its size.
        self._last_id: str | None = None
        self._open = False
        self._data = bytearray()
        self._event = ""
        self._id: str | None = None
        self._retry: int | None = None
        self._held = 0
        self._full = False

    @property
    def last_event_id(self) -> str:
        """The last event ID that a blank line has confirmed; "" while there is none."""
        return self._last_id or ""

    def feed(self, chunk: bytes | bytearray | memoryview, /) -> list[ServerSentEvent]:
        """Take the next bytes, cut anywhere, and return the messages they complete."""
        if self._finished:
            raise RuntimeError("SSEDecoder: feed after finish")
        if self._error is not None:
            raise self._error
        data = chunk if type(chunk) is bytes else _to_bytes(chunk)
        if self._start is not None:
            data = self._start + data
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._start = data
                return []
            self._start = None
            data = data.removeprefix(_BOM)
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if _CR in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        out: list[ServerSentEvent] = []
        try:
            if len(data) <= self._piece:
                self._read(data, out)
            else:
                for start in range(0, len(data), self._piece):
                    self._read(data[start : start + self._piece], out)
        except Exception as error:
            self._error = error
            self._partial.clear()
            self._data.clear()
            if not out:
                raise
        return out

    def finish(self) -> list[ServerSentEvent]:
        """Say that no more comes: return nothing, since every message left at its blank line, and set `truncated`."""
        if self._finished:
            raise RuntimeError("SSEDecoder: finish after finish")
        self._finished = True
        if self._error is not None:
            raise self._error
        if rest := self._start or bytes(self._partial[-3:]):
            self.truncated = "line" if without_cut_character(rest) == rest else "character"
        elif self._open:
            self.truncated = "event"
        if self._raise_truncated and self.truncated is not None:
            raise TruncatedStream(f"the event stream ended inside of an unfinished {self.truncated}")
        return []

    def _read(self, piece: bytes, out: list[ServerSentEvent]) -> None:
        """Read a piece that has no line end but LF and is no larger than the limit."""
        position = 0
        while self._partial or self._open:
            end = piece.find(b"\n", position)
            if end < 0:
                break
            self._end_line(piece[position:end], out)
            position = end + 1
        else:
            # Whole events from here to the last blank line: none can be too large, and one decoding serves all.
            end = piece.rfind(b"\n\n", position)
            if end >= 0:
                try:
                    text = piece[position:end].decode()
                except UnicodeDecodeError:
                    pass
                else:
                    self._read_events(text, out)
                    position = end + 2
        if position < len(piece):
            *lines, rest = piece[position:].split(b"\n")
            for line in lines:
                self._end_line(line, out)
            if rest:
                self._hold(rest, out)

    def _read_events(self, text: str, out: list[ServerSentEvent]) -> None:
        """Read whole events. Most streams repeat one shape, and cutting where it begins again is the quickest."""
        if text[:6] == "data: ":
            for data in text[6:].split("\n\ndata: "):
                if "\n" in data:
                    self._read_mixed("data: " + data, out)
                else:
                    out.append(ServerSentEvent(data, id=self._last_id))
        elif text[:7] == "event: ":
            for rest in text[7:].split("\n\nevent: "):
                event, found, data = rest.partition("\ndata: ")
                if not found or "\n" in data or "\n" in event or "\0" in event:
                    self._read_mixed("event: " + rest, out)
                else:
                    out.append(ServerSentEvent(data, event=event or "message", id=self._last_id))
        else:
            self._read_mixed(text, out)

    def _read_mixed(self, text: str, out: list[ServerSentEvent]) -> None:
        for block in text.split("\n\n"):
            message = read_shape(block, self._last_id)
            if message is not None:
                self._last_id = message.id
                out.append(message)
                continue
            for line in block.encode().split(b"\n"):
                self._line(line, out)
            self._line(b"", out)

    def _end_line(self, rest: bytes, out: list[ServerSentEvent]) -> None:
        """Read the line that ends with `rest`."""
        if not self._partial:
            self._line(rest, out)
        elif self._dropping:
            self._dropping = False
            self._partial.clear()
        else:
            line = bytes(self._partial) + rest
            self._partial.clear()
            self._line(line, out)

    def _hold(self, rest: bytes, out: list[ServerSentEvent]) -> None:
        """Keep the beginning of a line, or its last bytes only when the line will not be needed."""
        partial = self._partial
        partial += rest
        if not self._dropping:
            name, colon, _ = bytes(partial[:6]).partition(b":")
            if not colon and name in _MAY_BE_FIELD:
                return
            if not self._needs(name):
                self._dropping = True
            elif self._held + len(partial) > self._limit:
                self._overflow(partial, name, out)
                self._dropping = True
        if self._dropping:
            # Enough to tell at the end of the input whether it was cut inside of a character.
            del partial[:-3]

    def _line(self, line: bytes, out: list[ServerSentEvent]) -> None:
        """Process one whole line: 9.2.6, from "If the line is empty"."""
        if not line:
            self._dispatch(out)
            return
        if line[:5] == b"data:" and not self._full and (size := self._held + len(line)) <= self._limit:
            # As below, without a look at what else it could be: an event may have thousands of these.
            self._open = True
            self._held = size
            self._data += line[6:] if line[5:6] == b" " else line[5:]
            self._data += b"\n"
            return
        name = line[:6].partition(b":")[0]
        fits = self._held + len(line) <= self._limit
        if name and name not in _FIELDS:
            if self._on_ignored is not None and fits:
                self._on_ignored(line)
        elif not self._needs(name):
            return
        elif not fits:
            self._overflow(line, name, out)
        elif name:
            self._open = True
            self._held += len(line)
            self._field(name, _value(line, name))
        else:
            out.append(from_wire(comment=str(_value(line, name), "utf-8", "replace")))

    def _needs(self, name: bytes) -> bool:
        """Tell whether a line of this field name is worth keeping; a comment's name is empty."""
        if name in _FIELDS:
            return name != b"data" or not self._full
        return self._on_ignored is not None if name else self._comments

    def _field(self, name: bytes, value: bytes) -> None:
        if name == b"data":
            self._data += value
            self._data += b"\n"
        elif name == b"event":
            self._event = str(value, "utf-8", "replace")
        elif name == b"id":
            # "If the field value does not contain U+0000 NULL, then set the last event ID buffer".
            if _NUL not in value:
                self._id = str(value, "utf-8", "replace")
        elif value.isdigit():
            digits = value.lstrip(b"0")
            # int() takes quadratic time, and by default refuses more than 4300 digits.
            self._retry = int(digits or b"0") if len(digits) <= 300 else LONGEST_RETRY
            self.reconnection_time = self._retry

    def _overflow(self, line: bytes | bytearray, name: bytes, out: list[ServerSentEvent]) -> None:
        """Deal with a line, or the beginning of one, that does not fit beside what the event holds."""
        if name and name not in _FIELDS:
            return
        if self._on_oversize == "raise":
            raise LimitExceeded(
                f"an event is larger than {self._limit} bytes (max_event_size)",
                option="max_event_size",
                limit=self._limit,
            )
        line = without_cut_character(bytes(line[: self._limit - self._held]))
        if not name:
            if self._on_oversize == "truncate":
                out.append(from_wire(comment=str(_value(line, name), "utf-8", "replace")))
            return
        self._open = True
        if self._on_oversize == "skip":
            self._data.clear()
        elif name == b"data":
            self._field(name, _value(line, name))
        else:
            return
        if not self._full:
            # From here on the event's other fields may use as much again.
            self._full = True
            self._held = 0

    def _dispatch(self, out: list[ServerSentEvent]) -> None:
        """Process a blank line: 9.2.6, "dispatch the event"."""
        if not self._open:
            return
        if self._id is not None:
            self._last_id = self._id
        # Every data line left at least its LF here, so an empty buffer means that there was none.
        if self._data:
            del self._data[-1:]
            text = str(self._data, "utf-8", "replace")
            out.append(from_wire(text, event=self._event or "message", id=self._last_id, retry=self._retry))
            self._data.clear()
        self._open = self._full = False
        self._event = ""
        self._id = self._retry = None
        self._held = 0


def _to_bytes(chunk: object) -> bytes:
    try:
        return bytes(memoryview(chunk))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"SSEDecoder: a chunk must be bytes, not {type(chunk).__name__}") from None


def _value(line: bytes, name: bytes) -> bytes:
    """Return what follows the name, the colon and "If value starts with a U+0020 SPACE character", that space."""
    start = len(name) + 1
    return line[start + 1 :] if line[start : start + 1] == b" " else line[start:]
