"""Events line by line: WHATWG HTML 9.2.6 to the letter, keeping no more than the limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

from gai_stream.exceptions import LimitExceeded

from .message import LONGEST_RETRY, ServerSentEvent, from_wire

__all__ = ["LineReader", "OnOversize"]

_NUL, _LF = b"\0\n"
_FIELDS: Final = frozenset({b"data", b"event", b"id", b"retry"})
# Beginnings of a line that may still become a field; others can be thrown away before the line's end is seen.
_MAY_BE_FIELD: Final = frozenset(name[:end] for name in _FIELDS for end in range(1, len(name) + 1))
# UTF-8 that stops inside of a character. Python's own incremental decoder waits for more after ED A0, which for the
# standard is broken already.
_CUT_CHARACTER: Final = (
    rb"(?:[\xc2-\xf4]|\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]?|[\xf1-\xf3][\x80-\xbf]{1,2}|\xf4[\x80-\x8f][\x80-\xbf]?)\Z"
)

OnOversize = Literal["raise", "skip", "truncate"]


class LineReader:
    """Read events that `SSEDecoder` has no shortcut for. Line ends are LF; the options are those of `SSEDecoder`.

    `last_id` is None while no event had one; `inside` says whether an event or a line is unfinished. No piece may be
    larger than the limit.
    """

    def __init__(
        self, limit: int, comments: bool, on_ignored: Callable[[bytes], object] | None, on_oversize: OnOversize
    ) -> None:
        self.last_id: str | None = None
        self.reconnection_time: int | None = None
        self.inside = False
        self.comments = comments
        self._limit = limit
        self._on_ignored = on_ignored
        self._on_oversize = on_oversize
        # The current line, as far as it is here; of one that is thrown away, its last bytes.
        self._partial = bytearray()
        self._wanted = False
        self._dropping = False
        # What is known of the current event. `_held` is its size.
        self._open = False
        self._data = bytearray()
        self._event = ""
        self._id: str | None = None
        self._retry: int | None = None
        self._held = 0
        self._full = False

    def read(self, piece: bytes, out: list[ServerSentEvent]) -> None:
        """Read all of a piece."""
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._end_line(line, out)
        if rest:
            self._hold(rest, out)
        self.inside = self._open or bool(self._partial)

    def read_to_end(self, piece: bytes, out: list[ServerSentEvent]) -> bytes:
        """Read the rest of an unfinished event, and return what stands behind it."""
        if _LF not in piece:
            if piece:
                self._hold(piece, out)
            return b""
        position = 0
        while self._partial or self._open:
            end = piece.find(b"\n", position)
            if end < 0:
                if position < len(piece):
                    self._hold(piece[position:], out)
                return b""
            self._end_line(piece[position:end], out)
            position = end + 1
        self.inside = False
        return piece[position:]

    def end(self) -> Literal["event", "line", "character"] | None:
        """Return what the input ended inside of."""
        if rest := bytes(self._partial[-3:]):
            return "line" if _without_cut_character(rest) == rest else "character"
        return "event" if self._open else None

    def clear(self) -> None:
        """Let go of what is held."""
        self._partial.clear()
        self._data.clear()

    def _end_line(self, rest: bytes, out: list[ServerSentEvent]) -> None:
        """Read the line that ends with `rest`."""
        line = self._partial
        if not line:
            self._line(rest, out)
            return
        self._wanted = False
        if self._dropping:
            self._dropping = False
            line.clear()
            return
        line += rest
        if line[:6] == b"data: " and not self._data and not self._full and self._held + len(line) <= self._limit:
            # A large event is nearly always one line: its buffer is taken over, and never copied.
            self._open = True
            self._held += len(line)
            del line[:6]
            line += b"\n"
            self._data, self._partial = line, self._data
            return
        whole = bytes(line)
        line.clear()
        self._line(whole, out)

    def _hold(self, rest: bytes, out: list[ServerSentEvent]) -> None:
        """Keep the beginning of a line, or its last bytes only when the line will not be needed."""
        partial = self._partial
        partial += rest
        if self._wanted and self._held + len(partial) <= self._limit:
            return
        if not self._dropping:
            name, colon, _ = bytes(partial[:6]).partition(b":")
            if not colon and name in _MAY_BE_FIELD:
                return
            if not self._needs(name):
                self._dropping = True
            elif self._held + len(partial) > self._limit:
                self._overflow(partial, name, out)
                self._dropping = True
            else:
                self._wanted = True
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
        return self._on_ignored is not None if name else self.comments

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
        line = _without_cut_character(bytes(line[: self._limit - self._held]))
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
            self.last_id = self._id
        # Every data line left at least its LF here, so an empty buffer means that there was none.
        if self._data:
            del self._data[-1:]
            text = str(self._data, "utf-8", "replace")
            out.append(from_wire(text, event=self._event or "message", id=self.last_id, retry=self._retry))
            self._data.clear()
        self._open = self._full = False
        self._event = ""
        self._id = self._retry = None
        self._held = 0


def _value(line: bytes, name: bytes) -> bytes:
    """Return what follows the name, the colon and "If value starts with a U+0020 SPACE character", that space."""
    start = len(name) + 1
    return line[start + 1 :] if line[start : start + 1] == b" " else line[start:]


def _without_cut_character(data: bytes) -> bytes:
    """Return `data` without a character at its end of which more bytes should follow."""
    # Compiled when it is needed, which in most programs is never.
    found = re.search(_CUT_CHARACTER, data[-3:])
    return data if found is None else data[: found.start() - len(found.string)]
