"""Bytes to messages: WHATWG HTML 9.2.5 and 9.2.6 to the letter, at every cut of the input.

Four shortcuts, each with the same result as going byte by byte:

- Line ends become LF before anything else looks at them. A CR ends its line at once; that an LF may still follow it
  is remembered, and is the only thing that needs to be.
- Lines are cut before they are decoded: no byte of a UTF-8 sequence is CR or LF, and a broken sequence never
  swallows one.
- Events that lie whole in a chunk are decoded together and read by their shape.
- The short beginning of an event waits for the rest as it came, unless one of its lines has to be acted on at once.

Everything else goes through `LineReader`, which is the standard's own algorithm.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Final, Literal, get_args

from gai_stream._options import check_bytes
from gai_stream.exceptions import TruncatedStream

from .blocks import read_events, whole_events
from .lines import LineReader, OnOversize
from .message import ServerSentEvent

__all__ = ["OnOversize", "SSEDecoder"]

_LF, _CR = b"\n\r"
_BOM: Final = b"\xef\xbb\xbf"
# Keeps what one pass holds small, however large the chunk.
_PIECE: Final = 1 << 18
# How many bytes of an unfinished event may wait for its end.
_ROOM: Final = 1 << 13
# Whole lines that mean nothing before their event ends, and the beginning of one.
_CAN_WAIT = re.compile(rb"(?:(?:data|event|id):[^\n]*+\n)*+[^\n]*+")


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

    `last_event_id` and `reconnection_time` are what a reconnect would use. `finish` sets `truncated` to what the input
    ended inside of, "event", "line" or "character"; an unfinished event is dropped, and with `raise_truncated`
    TruncatedStream says so.
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
        self.truncated: Literal["event", "line", "character"] | None = None
        limit = sys.maxsize if max_event_size is None else max_event_size
        self._lines = LineReader(limit, comments, on_ignored, on_oversize)
        # What waits and the next piece are together no larger than the limit, nor is any event that they hold.
        self._piece = min(limit, _PIECE)
        self._room = min(limit - self._piece, _ROOM)
        self._raise_truncated = raise_truncated
        self._finished = False
        self._error: Exception | None = None
        # The input so far, while it may still be the beginning of a BOM; then None.
        self._start: bytes | None = b""
        self._after_cr = False
        # The beginning of an event that waits for the rest.
        self._waiting = b""
        # Whether the next chunk begins an event, and nothing that came before says how it is to be read.
        self._between = False

    @property
    def last_event_id(self) -> str:
        """The last event ID that a blank line has confirmed; "" while there is none."""
        return self._lines.last_id or ""

    @property
    def reconnection_time(self) -> int | None:
        """How long to wait before a reconnect, in ms; None while the stream has not said."""
        return self._lines.reconnection_time

    def feed(self, chunk: bytes | bytearray | memoryview, /) -> list[ServerSentEvent]:
        """Take the next bytes, cut anywhere, and return the messages they complete."""
        lines = self._lines
        events = ""
        if self._between and type(chunk) is bytes and len(chunk) <= self._piece:
            # A server sends an event as soon as it has one: most chunks are one event, and most events these two.
            events = whole_events(chunk)
            data = events.removeprefix("data: ")
            if data != events and "\n" not in data:
                return [ServerSentEvent(data, id=lines.last_id)]
            rest = events.removeprefix("event: ")
            if rest != events:
                event, _, data = rest.partition("\ndata: ")
                if data and "\n" not in data and "\n" not in event and "\0" not in event:
                    return [ServerSentEvent(data, event=event or "message", id=lines.last_id)]
        clean = b"" if events else self._clean(chunk)
        out: list[ServerSentEvent] = []
        try:
            if events:
                read_events(events, lines, out)
            elif len(clean) <= self._piece:
                self._read(clean, out)
            else:
                for start in range(0, len(clean), self._piece):
                    self._read(clean[start : start + self._piece], out)
        except Exception as error:
            self._error = error
            self._between = False
            lines.clear()
            if not out:
                raise
        return out

    def finish(self) -> list[ServerSentEvent]:
        """Say that no more comes: return nothing, since every message left at its blank line, and set `truncated`."""
        if self._finished:
            raise RuntimeError("SSEDecoder: finish after finish")
        self._finished = True
        self._between = False
        if self._error is not None:
            raise self._error
        self._lines.read(self._start or self._waiting, [])
        self.truncated = self._lines.end()
        if self._raise_truncated and self.truncated is not None:
            raise TruncatedStream(f"the event stream ended inside of an unfinished {self.truncated}")
        return []

    def _clean(self, chunk: object) -> bytes:
        """Return the chunk without a BOM and with LF for every line end; nothing while a BOM is not yet ruled out."""
        if self._finished:
            raise RuntimeError("SSEDecoder: feed after finish")
        if self._error is not None:
            raise self._error
        data = chunk if type(chunk) is bytes else _to_bytes(chunk)
        if self._start is not None:
            data = self._start + data
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._start = data
                return b""
            self._start = None
            data = data.removeprefix(_BOM)
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if _CR in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _read(self, piece: bytes, out: list[ServerSentEvent]) -> None:
        """Read a piece that has no line end but LF and is no larger than the limit."""
        lines = self._lines
        if lines.inside:
            piece = lines.read_to_end(piece, out)
            if lines.inside:
                return
        old = len(self._waiting)
        if old:
            piece = self._waiting + piece
            self._waiting = b""
        # Whole events from here to the last blank line: none can be too large, and one decoding serves all.
        end = piece.rfind(b"\n\n", max(old - 1, 0))
        if end >= 0:
            try:
                text = piece[:end].decode()
            except UnicodeDecodeError:
                lines.read(piece, out)
                piece = b""
            else:
                read_events(text, lines, out)
                piece = piece[end + 2 :]
            old = 0
        # What waited has been looked at already, but for its last line.
        if len(piece) <= self._room and (
            _LF not in piece or _CAN_WAIT.fullmatch(piece, piece.rfind(b"\n", 0, old) + 1)
        ):
            self._waiting = piece
        else:
            lines.read(piece, out)
        self._between = not (self._waiting or lines.inside or self._after_cr or self._start is not None)


def _to_bytes(chunk: object) -> bytes:
    try:
        return bytes(memoryview(chunk))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"SSEDecoder: a chunk must be bytes, not {type(chunk).__name__}") from None
