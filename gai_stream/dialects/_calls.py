"""Tool calls on their way out: each gets its number, its id and name once, and what its fragments did not bring."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import uuid4

from gai_stream import _json
from gai_stream.events import ToolCall, ToolCallDelta

__all__ = ["CUT", "OutgoingCall", "OutgoingCalls", "Piece", "arguments_of", "legal_id", "made_up_id"]

CUT: Final = ("length", "content_filter", "refusal")
"""Why an answer ends early: a call that is not whole then was cut off, rather than badly written."""

_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]+")


def made_up_id(*parts: object, prefix: str = "call_") -> str:
    """Return an id for a call without one: the same for the same `parts`, or random without any."""
    return prefix + (sha256(repr(parts).encode()).hexdigest() if parts else uuid4().hex)[:24]


def legal_id(id: str, *, longest: int = 64) -> str:
    """Return `id` if it is short and made of letters, digits, `_` and `-`; else one that is, always the same."""
    if len(id) <= longest and not _ILLEGAL.search(id) and id:
        return id
    digest = sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_ILLEGAL.sub('_', id)[: longest - 9]}_{digest}"


def arguments_of(call: ToolCall) -> str:
    """Return the arguments of a whole call as text: JSON, or the free text of a custom tool's."""
    if call.kind == "custom" and (call.arguments or isinstance(call.input, str)):
        return call.arguments or str(call.input)
    # A client that parses "" as JSON fails; the API itself sends {} for a call without arguments.
    return call.arguments if call.arguments.strip() else _json.dumps(call.input).decode()


class OutgoingCall:
    """A call that is being told.

    `number` counts the calls of its choice that are the client's to run: from 0, in the order in which they begin.
    """

    __slots__ = ("_scan", "arguments", "begun", "choice", "ended", "id", "kind", "name", "number")

    def __init__(self, choice: int) -> None:
        self.choice = choice
        self.id = ""
        self.name = ""
        self.kind = "function"
        self.arguments: list[str] = []
        self.number = 0
        self.begun = False
        self.ended = False
        self._scan = _Scan()

    @property
    def is_whole(self) -> bool:
        """Whether the arguments so far are one JSON object from end to end, as far as its brackets tell."""
        return self.kind != "custom" and self._scan.closed

    def take(self, arguments: str) -> None:
        """Keep a piece of the arguments."""
        if arguments:
            self.arguments.append(arguments)
            self._scan.feed(arguments)

    def is_of(self, event: ToolCall) -> bool:
        """Whether these fragments are of `event`, which may be the first to tell the call's id or name."""
        return (
            self.choice == event.choice
            and (self.id == event.id or not self.id)
            and (not self.name or self.name == event.name)
        )


class Piece(NamedTuple):
    """What is to be told of a call: that it begins, a part of its arguments, that it ends.

    `whole` is the call where it ended well, None where it is still open or was cut.
    """

    call: OutgoingCall
    begins: bool
    arguments: str
    ends: bool = False
    whole: ToolCall | None = None


class OutgoingCalls:
    """Tell calls apart by (choice, index), and hold each back until its name and id are known.

    `one_at_a_time` is for clients that follow one call only: the pieces of the next one wait until the first one's
    arguments are whole, or until it ends. Ids that have to be made up begin with `prefix`.
    """

    def __init__(self, *, one_at_a_time: bool = False, prefix: str = "call_") -> None:
        self.counts: dict[int, int] = {}
        """How many calls each choice has made that are the client's to run."""
        self._slots: dict[tuple[int, int], OutgoingCall] = {}
        self._open: list[OutgoingCall] = []
        self._one_at_a_time = one_at_a_time
        self._prefix = prefix
        self._waiting: dict[OutgoingCall, list[Piece]] = {}

    @property
    def current(self) -> OutgoingCall | None:
        """The call that begun and has not ended, where they come one at a time."""
        return next(iter(self._waiting), None)

    def add(self, event: ToolCallDelta) -> list[Piece]:
        """Return what a fragment brings."""
        key = (event.choice, event.index)
        call = self._slots.get(key)
        if call is None or (event.id and call.id and event.id != call.id):
            call = self._slots[key] = OutgoingCall(event.choice)
            self._open.append(call)
        call.id = call.id or event.id or ""
        call.name = call.name or event.name or ""
        if event.kind != "function" and not call.begun:
            call.kind = event.kind
        call.take(event.arguments)
        if call.begun:
            return self._in_turn([Piece(call, False, event.arguments)] if event.arguments and not call.ended else [])
        return self._in_turn([self._begin(call)] if call.id and call.name else [])

    def close(self, event: ToolCall) -> list[Piece]:
        """Return what is still missing of a whole call: nothing, all of it, or what its fragments did not bring."""
        text = arguments_of(event)
        call = next((call for call in self._open if call.is_of(event)), None)
        if call is None:
            call = OutgoingCall(event.choice)
        else:
            self._open.remove(call)
        pieces = []
        if not call.begun:
            call.id, call.name, call.kind = event.id, event.name, event.kind
            pieces.append(self._begin(call))
        sent = "".join(call.arguments)
        missing = text[len(sent) :] if text.startswith(sent) else ""
        call.take(missing)
        return self._in_turn([*pieces, Piece(call, False, missing, True, event)])

    def flush(self) -> list[Piece]:
        """End the calls that are still open. One whose id never came gets one; one without a name is no call."""
        pieces = []
        for call in self._open:
            if call.name:
                begins = [] if call.begun else [self._begin(call)]
                pieces += [*begins, Piece(call, False, "", True)]
        self._open.clear()
        return self._in_turn(pieces)

    def end_current(self) -> list[Piece]:
        """End the current call, if its arguments are whole: something else wants to be told."""
        call = self.current
        if call is None or not call.is_whole:
            return []
        call.ended = True
        del self._waiting[call]
        return [Piece(call, False, "", True)]

    def _begin(self, call: OutgoingCall) -> Piece:
        call.begun = True
        call.id = call.id or made_up_id(prefix=self._prefix)
        call.number = self.counts.get(call.choice, 0)
        if call.kind != "server":
            self.counts[call.choice] = call.number + 1
        return Piece(call, True, "".join(call.arguments))

    def _in_turn(self, pieces: list[Piece]) -> list[Piece]:
        """Return the pieces of `pieces`, and of those that wait, whose turn it is."""
        if not self._one_at_a_time:
            for piece in pieces:
                piece.call.ended = piece.call.ended or piece.ends
            return pieces
        for piece in pieces:
            if not piece.call.ended:
                self._waiting.setdefault(piece.call, []).append(piece)
        told: list[Piece] = []
        while self._waiting:
            call, ready = next(iter(self._waiting.items()))
            told += ready
            ready.clear()
            if not (told and told[-1].call is call and told[-1].ends):
                if len(self._waiting) == 1 or not call.is_whole:
                    break
                told.append(Piece(call, False, "", True))
            call.ended = True
            del self._waiting[call]
        return told


class _Scan:
    """Follow the brackets of JSON text piece by piece: linear, and without parsing it."""

    __slots__ = ("_depth", "_escaped", "_in_string", "closed")

    _MARKS = re.compile(r'["\\{}\[\]]')

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = -1
        self.closed = False

    def feed(self, text: str) -> None:
        skip = 0 if self._escaped == 0 else -1
        self._escaped = -1
        for mark in self._MARKS.finditer(text):
            place = mark.start()
            if place == skip:
                continue
            character = mark[0]
            if self._in_string:
                if character == "\\":
                    skip = place + 1
                elif character == '"':
                    self._in_string = False
            elif character == '"':
                self._in_string = True
            elif character in "{[":
                self._depth += 1
                self.closed = False
            elif character in "}]":
                self._depth -= 1
                self.closed = self._depth == 0
        if skip == len(text):
            self._escaped = 0
