"""Tool calls on their way in, where every fragment names its call by id."""

from __future__ import annotations

from typing import Any

from gai_stream import _json
from gai_stream.events import Event, ToolCall, ToolCallDelta
from gai_stream.exceptions import DecodeError

from ._budget import Budget

__all__ = ["IncomingCalls"]


class _Call:
    __slots__ = ("arguments", "id", "kind", "name", "number", "open", "signature")

    def __init__(self, number: int, id: str) -> None:
        self.number = number
        self.id = id
        self.name = ""
        self.kind = "function"
        self.arguments: list[str] = []
        self.signature: str | None = None
        self.open = True


class IncomingCalls:
    """Put calls together. `limit` bounds what the calls of one answer bring together, in characters.

    Whatever takes something in raises LimitExceeded before anything changes.
    """

    def __init__(self, limit: int) -> None:
        self._budget = Budget(limit)
        self._number = 0
        self._calls: dict[str, _Call] = {}

    def name_of(self, id: str) -> str:
        """Return the name of the call `id`; "" for one that was never told."""
        call = self._calls.get(id)
        return call.name if call is not None else ""

    def begin(self, id: str, name: str, kind: str = "function") -> list[Event]:
        """Take the beginning of a call. An id that was used up begins another call."""
        call = self._calls.get(id)
        if call is not None and call.open and call.name:
            return []
        self._budget.spend(1 + len(id) + len(name))
        call = call if call is not None and call.open else self._new(id)
        call.name, call.kind = name, kind
        return [ToolCallDelta(call.number, id, name, kind=kind)]

    def add(self, id: str, arguments: str) -> list[Event]:
        """Take a piece of the arguments. One that nothing announced begins its call."""
        if not arguments:
            return []
        call = self._calls.get(id)
        self._budget.spend(len(arguments) + (0 if call else 1 + len(id)))
        call = call or self._new(id)
        if not call.open:
            return []
        call.arguments.append(arguments)
        return [ToolCallDelta(call.number, id, arguments=arguments)]

    def sign(self, id: str, signature: str) -> None:
        """Take the provider's seal on a call that is still open."""
        call = self._calls.get(id)
        if call is not None and call.open:
            self._budget.spend(len(signature))
            call.signature = signature

    def close(self, id: str, name: str, input: Any, *, server: bool, signature: str | None) -> list[Event]:
        """Take a call that is whole, with its `input`. A second time is no news."""
        call = self._calls.get(id)
        if call is not None and not call.open:
            return []
        told = "".join(call.arguments) if call is not None else ""
        # What the server wrote is passed on as it was written; input that is text and no JSON was never JSON.
        as_told = bool(told) and (told == input or _value(told) == [input])
        text = told if as_told else input if isinstance(input, str) else _json.dumps(input).decode()
        custom = isinstance(input, str) and text == input
        self._budget.spend(1 + len(id) + len(name) + (0 if told else len(text)))
        kind = "server" if server else "custom" if custom else "function"
        events: list[Event] = []
        call = call or self._new(id)
        if not told:
            events.append(ToolCallDelta(call.number, id, name, text, kind=kind))
        return [*events, self._whole(call, ToolCall(id, name, input, text, kind=kind, signature=signature))]

    def end(self, id: str) -> list[Event]:
        """Take the end of a call. One whose arguments cannot be read stays open until `problem` is asked."""
        call = self._calls.get(id)
        return self._end([call]) if call is not None else []

    def end_all(self) -> list[Event]:
        """End the calls that are open and have arguments that can be read."""
        return self._end([call for call in self._calls.values() if call.arguments])

    def problem(self) -> str | None:
        """Say what is wrong with the first call that is still open."""
        for call in self._calls.values():
            if call.open:
                arguments = "".join(call.arguments)
                if not call.name:
                    return f"a tool call came without a name: {arguments}"
                return f"the arguments of tool call {call.name!r} are not JSON: {arguments}"
        return None

    def _end(self, calls: list[_Call]) -> list[Event]:
        events: list[Event] = []
        for call in calls:
            if not call.open or not call.name:
                continue
            text = "".join(call.arguments)
            values = [text] if call.kind == "custom" else _value(text if text.strip() else "{}")
            for value in values:
                whole = ToolCall(call.id, call.name, value, text, kind=call.kind, signature=call.signature)
                events.append(self._whole(call, whole))
        return events

    def _whole(self, call: _Call, whole: ToolCall) -> ToolCall:
        call.name = whole.name
        call.open = False
        call.arguments.clear()
        return whole

    def _new(self, id: str) -> _Call:
        call = self._calls[id] = _Call(self._number, id)
        self._number += 1
        return call


def _value(text: str) -> list[Any]:
    """Return the value of JSON `text`, in a list; an empty one if it is no JSON."""
    try:
        return [_json.loads(text)]
    except DecodeError:
        return []
