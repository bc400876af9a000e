"""Tool calls, put together from fragments and from the items that repeat them whole."""

from __future__ import annotations

from typing import Any

from gai_stream import _json
from gai_stream.dialects._budget import Budget
from gai_stream.dialects._calls import made_up_id
from gai_stream.events import Event, ToolCall, ToolCallDelta, ToolResult
from gai_stream.exceptions import DecodeError

from .wire import CALLS, SERVER_CALLS, Item

__all__ = ["Calls"]


class _Call:
    __slots__ = ("announced", "arguments", "id", "kind", "name", "number", "size", "status", "told")

    def __init__(self, number: int, kind: str) -> None:
        self.number = number
        self.kind = kind
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.size = 0
        self.status: str | None = None
        self.announced = False
        self.told = False


class Calls:
    """Keep calls apart by the index of their item. `limit` bounds what is kept of all together, in characters."""

    def __init__(self, limit: int) -> None:
        self._budget = Budget(limit)
        self._calls: dict[int, _Call] = {}

    @property
    def any(self) -> bool:
        """Whether there are calls for the client to run."""
        return any(call.kind != "server" for call in self._calls.values())

    def index_of(self, id: str) -> int | None:
        """Return the index of the item that the call `id` came in."""
        return next((index for index, call in self._calls.items() if call.id == id), None)

    def is_named(self, index: int) -> bool:
        """Whether the call at `index` has told its id."""
        return index in self._calls and bool(self._calls[index].id)

    def cost(self, index: int, text: str, *, is_whole: bool) -> int:
        """Return how much more would be kept with `text`, a piece of the arguments or all of them."""
        call = self._calls.get(index)
        kept = call.size if call is not None and is_whole else 0
        return (call is None) + max(0, len(text) - kept)

    def reserve(self, size: int) -> None:
        """Count `size` characters more. Raises LimitExceeded."""
        self._budget.spend(size)

    def delta(self, index: int, kind: str, text: str) -> list[Event]:
        """Return what a piece of the arguments tells."""
        return self._add(self._call(index, kind), text)

    def whole(self, index: int, kind: str, text: str, name: str | None) -> list[Event]:
        """Return what the whole arguments tell, of which the beginning was told."""
        call = self._call(index, kind)
        call.name = call.name or name or ""
        return self._add(call, self._rest(call, text))

    def take(self, index: int, item: Item, stream_id: str | None, *, is_done: bool) -> list[Event]:
        """Return what the call's item tells, at its beginning or at its end."""
        call = self._call(index, CALLS[item.type])
        call.id = call.id or item.call_id or ""
        call.name = call.name or item.name or ""
        if is_done:
            call.id = call.id or _made_up(stream_id, call.number)
        events = self._add(call, self._rest(call, item.call_text))
        if is_done:
            call.status = item.status
            # Any other word, or none: only the end of the answer tells whether it was cut.
            if call.status == "completed" and not call.told and (whole := _whole(call)) is not None:
                call.told = True
                events.append(whole)
        return events

    def take_server(self, index: int, item: Item, stream_id: str | None, *, is_done: bool) -> list[Event]:
        """Return what the item of a call tells that the provider runs by itself: the whole item is its result."""
        call = self._call(index, "server")
        if call.told:
            return []
        call.id = call.id or item.id or _made_up(stream_id, call.number)
        call.name = call.name or item.name or item.type.removesuffix("_call")
        fields = SERVER_CALLS[item.type]
        text, input = item.call_text, {key: item.data[key] for key in fields if item.data.get(key) is not None}
        if fields:
            text = _json.dumps(input).decode() if is_done else ""
        events = self._add(call, self._rest(call, text))
        if is_done:
            call.told = True
            arguments = "".join(call.arguments)
            if not fields:
                input = _parsed(arguments, or_else=arguments)
            events.append(ToolCall(call.id, call.name, input, arguments, kind="server"))
            events.append(ToolResult(call.id, call.name, item.data, _error_of(item)))
            call.arguments.clear()
        return events

    def finish(self, stream_id: str | None, *, is_cut: bool) -> tuple[list[Event], str | None]:
        """Return what is left to tell, and what is wrong with the first call that is none.

        `is_cut` says that the answer ended early: a call that is not whole was cut off then, which is no error.
        """
        events: list[Event] = []
        problem: str | None = None
        last = max(self._calls, default=None)
        for index, call in self._calls.items():
            if call.told or call.kind == "server":
                continue
            call.id = call.id or _made_up(stream_id, call.number)
            text = "".join(call.arguments)
            # It may look whole, and yet be the one that was being written.
            looks_cut = call.status == "incomplete" or (index == last and (call.kind == "custom" or not text.strip()))
            whole = None if is_cut and looks_cut else _whole(call)
            if whole is not None:
                events += self._add(call, "")
                events.append(whole)
            elif not is_cut and problem is None:
                problem = f"the arguments of tool call {call.name!r} are not JSON: {text}"
                if not call.name:
                    problem = "a tool call came without a name"
        return events, problem

    def _call(self, index: int, kind: str) -> _Call:
        call = self._calls.get(index)
        if call is None:
            call = self._calls[index] = _Call(len(self._calls), kind)
        return call

    @staticmethod
    def _rest(call: _Call, text: str) -> str:
        is_longer = len(text) > call.size and text.startswith("".join(call.arguments))
        return text[call.size :] if is_longer else ""

    @staticmethod
    def _add(call: _Call, text: str) -> list[Event]:
        """Keep `text`, and tell it once the id and the name are known: nobody can begin a call without them."""
        if text:
            call.arguments.append(text)
            call.size += len(text)
        if call.announced:
            return [ToolCallDelta(call.number, arguments=text)] if text else []
        if not (call.id and call.name):
            return []
        call.announced = True
        return [ToolCallDelta(call.number, call.id, call.name, "".join(call.arguments), kind=call.kind)]


def _made_up(stream_id: str | None, number: int) -> str:
    return made_up_id(stream_id, number) if stream_id else made_up_id()


_NOT_JSON = object()


def _whole(call: _Call) -> ToolCall | None:
    """Return the call, or None if it has no name or its arguments are no JSON."""
    text = "".join(call.arguments)
    if not call.name:
        return None
    if call.kind == "custom":
        return ToolCall(call.id, call.name, text, text, kind="custom")
    input = _parsed(text, or_else=_NOT_JSON)
    return None if input is _NOT_JSON else ToolCall(call.id, call.name, input, text)


def _parsed(arguments: str, *, or_else: Any) -> Any:
    if not arguments.strip():
        return {}
    try:
        return _json.loads(arguments)
    except DecodeError:
        return or_else


def _error_of(item: Item) -> str | None:
    """Return the text of a call's error; what went wrong is said in several shapes, or not at all."""
    error = item.data.get("error")
    if isinstance(error, dict):
        error = error.get("message") or _json.dumps(error).decode()
    if error:
        return str(error)
    return "failed" if item.status == "failed" else None
