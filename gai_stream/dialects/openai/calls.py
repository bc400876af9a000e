"""Tool calls, put together from the fragments that come."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from gai_stream.dialects._budget import Budget
from gai_stream.dialects._calls import made_up_id
from gai_stream.events import Event, ToolCall, ToolCallDelta
from gai_stream.exceptions import DecodeError

from .wire import Choice, Fragment, read

__all__ = ["Calls"]

_SPACE = re.compile(r"[ \t\r\n]*")
_FUNCTION_CALL = -1
"""Stands for the index of the one call that `delta.function_call` knows."""


class _Call:
    __slots__ = ("announced", "arguments", "choice", "custom", "id", "made_up", "name", "number", "signature")

    def __init__(self, number: int, choice: int) -> None:
        self.number = number
        self.choice = choice
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.custom = False
        self.made_up = False
        self.announced = False
        self.signature: str | None = None


class Calls:
    """Keep fragments apart by (choice, index) and tell calls apart where the index does not.

    `limit` bounds what is kept of all calls together, in characters.
    """

    def __init__(self, limit: int) -> None:
        self._budget = Budget(limit)
        self._calls: list[_Call] = []
        self._slots: dict[tuple[int, int], _Call] = {}
        self._last: dict[int, _Call] = {}

    def reserve(self, choices: Collection[Choice]) -> None:
        """Count what `choices` bring, all of it before any of it. Raises LimitExceeded."""
        size = 0
        for choice in choices:
            if (delta := choice.delta) is None:
                continue
            if delta.tool_calls:
                size += sum(_size(entry) for entry in delta.tool_calls)
            if delta.function_call is not None:
                size += len(Fragment(function=delta.function_call).arguments)
        self._budget.spend(size)

    def add(self, fragment: Fragment, choice: int, stream_id: str | None, events: list[Event]) -> None:
        """Take one fragment, and append what can be told of its call to `events`."""
        id, name, arguments = fragment.id or "", fragment.name or "", fragment.arguments
        call = self._find(choice, fragment.index, id, name)
        if call is None:
            call = self._open(choice, fragment.index)
        call.custom = call.custom or fragment.custom is not None
        # Later fragments repeat both, often as "" or null: only the first real value counts.
        call.id = call.id or id
        call.name = call.name or name
        call.signature = call.signature or fragment.signature
        if arguments:
            call.arguments.append(arguments)
        if call.announced:
            if arguments:
                events.append(ToolCallDelta(call.number, arguments=arguments, choice=choice))
        elif call.name:
            # The name may come after the first fragment; nobody can begin a call without it.
            if not call.id:
                call.made_up = True
                call.id = made_up_id(stream_id, call.number) if stream_id else made_up_id()
            call.announced = True
            kind = "custom" if call.custom else "function"
            events.append(ToolCallDelta(call.number, call.id, call.name, "".join(call.arguments), choice, kind))

    def add_function_call(self, fragment: Fragment, choice: int, stream_id: str | None, events: list[Event]) -> None:
        """Take a fragment of the deprecated `function_call`: one call a choice, without id or index."""
        fragment.index = _FUNCTION_CALL
        self.add(fragment, choice, stream_id, events)

    def seal(self, choice: int, signature: str) -> bool:
        """Take the seal on the last call of `choice`; False if there is none, or it has one."""
        call = self._last.get(choice)
        if call is None or call.signature is not None:
            return False
        call.signature = signature
        return True

    def _find(self, choice: int, index: int | None, id: str, name: str) -> _Call | None:
        """Return the call that a fragment belongs to, or None if it begins one.

        An index alone does not tell: some servers send every parallel call as index 0, or send no index at all.
        """
        call = self._last.get(choice) if index is None else self._slots.get((choice, index))
        if call is None:
            return None
        begun = bool(call.arguments)
        other_id = bool(id and call.id and id != call.id)
        if call.made_up:
            other_id = other_id and bool(name) and begun
        elif index is None:
            other_id = other_id and bool(name)
        other_name = bool(name and call.name and name != call.name) and begun
        return None if other_id or other_name else call

    def _open(self, choice: int, index: int | None) -> _Call:
        call = _Call(len(self._calls), choice)
        self._calls.append(call)
        self._last[choice] = call
        if index is not None:
            self._slots[choice, index] = call
        return call

    def finish(self, cut: Collection[int]) -> tuple[list[ToolCall], str | None]:
        """Return the whole calls, and what is wrong with the first one that is none.

        `cut` names the choices that ended early: calls that are not whole there were cut off, which is no error.
        """
        whole: list[ToolCall] = []
        problem: str | None = None
        for call in self._calls:
            arguments = "".join(call.arguments)
            if not call.name:
                wrong = "a tool call came without a name"
            elif call.choice in cut and call is self._last[call.choice] and (call.custom or not arguments.strip()):
                # It looks whole, and yet it was the one being written.
                continue
            elif call.custom:
                whole.append(ToolCall(call.id, call.name, arguments, arguments, call.choice, "custom"))
                continue
            elif values := _values(arguments):
                for number, text in enumerate(values):
                    input = read(text) if text.strip() else {}
                    if number == 0:
                        whole.append(ToolCall(call.id, call.name, input, text, call.choice, signature=call.signature))
                    else:
                        whole.append(ToolCall(made_up_id(call.id, number), call.name, input, text, call.choice))
                continue
            else:
                wrong = f"the arguments of tool call {call.name!r} are not JSON: {arguments}"
            if problem is None and call.choice not in cut:
                problem = wrong
        return whole, problem


def _size(fragment: Fragment) -> int:
    seal = fragment.signature or ""
    return 1 + len(fragment.id or fragment.name or "") + len(fragment.arguments) + len(seal)


def _values(arguments: str) -> list[str]:
    """Return `arguments` as the text of one JSON value, or of several objects run together; [] if it is neither.

    Gemini's OpenAI endpoint appends the second call's arguments to the first call's.
    """
    if not arguments.strip():
        return [arguments]
    try:
        read(arguments)
    except DecodeError:
        pass
    else:
        return [arguments]
    values: list[str] = []
    decoder = json.JSONDecoder()
    end = _skip_space(arguments, 0)
    try:
        while end < len(arguments):
            value, stop = decoder.raw_decode(arguments, end)
            if not isinstance(value, dict):
                return []
            text = arguments[end:stop]
            read(text)
            values.append(text)
            end = _skip_space(arguments, stop)
    except (ValueError, RecursionError, DecodeError):
        return []
    return values


def _skip_space(text: str, start: int) -> int:
    return _SPACE.match(text, start).end()  # type: ignore[union-attr]  # matches the empty text too
