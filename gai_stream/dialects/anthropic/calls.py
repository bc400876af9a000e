"""Tool calls, put together from the pieces that come."""

from __future__ import annotations

from typing import Final

from gai_stream import _json
from gai_stream.dialects._budget import Budget
from gai_stream.dialects._calls import made_up_id
from gai_stream.events import Event, ToolCall, ToolCallDelta
from gai_stream.exceptions import DecodeError

from . import wire

__all__ = ["KINDS", "Call", "Calls"]

KINDS: Final = {"tool_use": "function", "server_tool_use": "server", "mcp_tool_use": "server"}
"""The blocks that are calls, and who runs them."""


class Call:
    """A call that is being told. `given` is what its block had of arguments when it began."""

    def __init__(self, number: int, id: str, name: str, kind: str, given: str) -> None:
        self.number = number
        self.id = id
        self.name = name
        self.kind = kind
        self.given = given
        self.arguments: list[str] = []


class Calls:
    """Number the calls of one answer, and tell which of them are whole.

    `limit` bounds what is kept of all calls together, in characters.
    """

    def __init__(self, limit: int) -> None:
        self._budget = Budget(limit)
        self._count = 0
        self._names: dict[str, str] = {}
        self._idle: Call | None = None
        self._broken: Call | None = None

    def reserve(self, steps: list[wire.Step]) -> None:
        """Count what `steps` bring, all of it before any of it. Raises LimitExceeded."""
        size = 0
        for step in steps:
            match step:
                case wire.BlockStart(block=wire.Block(type=kind) as block) if kind in KINDS:
                    size += 1 + len(block.id or "") + len(block.name or "") + len(block.arguments)
                case wire.BlockDelta(delta=wire.Delta(partial_json=str(piece))):
                    size += len(piece)
        self._budget.spend(size)

    def begin(self, block: wire.Block, stream_id: str | None, events: list[Event]) -> Call:
        """Return the call that `block` begins."""
        number = self._count
        self._count += 1
        parts = (stream_id, number) if stream_id else ()
        call = Call(
            number,
            block.id or made_up_id(*parts, prefix="toolu_"),
            block.name or "",
            KINDS[block.type],
            block.arguments,
        )
        if call.name:
            self._names[call.id] = call.name
            events.append(ToolCallDelta(number, call.id, call.name, kind=call.kind))
        return call

    def name_of(self, id: str) -> str | None:
        """Return the name of the tool that was called as `id`."""
        return self._names.get(id)

    def grow(self, call: Call, arguments: str, events: list[Event]) -> None:
        """Take a piece of the arguments."""
        call.arguments.append(arguments)
        if call.name:
            events.append(ToolCallDelta(call.number, arguments=arguments))

    def end(self, call: Call, events: list[Event]) -> None:
        """Take the end of a call."""
        self.settle(events)
        arguments = "".join(call.arguments)
        if not arguments.strip() and call.given and call.name:
            arguments = call.given
            events.append(ToolCallDelta(call.number, arguments=arguments))
        if call.name and not arguments.strip():
            # It has no arguments, or it was cut before them: what comes next tells.
            self._idle = call
            return
        try:
            input = _json.loads(arguments if call.name else "")
        except DecodeError:
            self._broken = self._broken or call
        else:
            events.append(ToolCall(call.id, call.name, input, arguments, kind=call.kind))

    def settle(self, events: list[Event]) -> None:
        """Tell of the call that has no arguments, now that it is known not to be cut."""
        call, self._idle = self._idle, None
        if call is not None:
            events.append(ToolCall(call.id, call.name, {}, "".join(call.arguments), kind=call.kind))

    def problem(self) -> str | None:
        """Return what is wrong with the first call that is none."""
        call = self._broken
        if call is None:
            return None
        if not call.name:
            return "a tool call came without a name"
        return f"the arguments of tool call {call.name!r} are not JSON: {''.join(call.arguments)}"
