"""One model call of a run: its tool calls, put together from the fragments that come, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence

from gai_stream import _json
from gai_stream.dialects._budget import Budget
from gai_stream.dialects._calls import made_up_id
from gai_stream.events import Event, ToolCall, ToolCallDelta
from gai_stream.exceptions import DecodeError

from .message import CallChunk, normal_reason

__all__ = ["Numbers", "Step"]


class Numbers:
    """What the steps of one answer share: the numbering of their calls, and the limit on what is kept of them."""

    def __init__(self, limit: int) -> None:
        self.next = 0
        self._budget = Budget(limit)

    def reserve(self, chunks: Sequence[CallChunk]) -> None:
        """Count what `chunks` bring, before any of it is kept. Raises LimitExceeded."""
        size = sum(1 + len(chunk.args or "") + len(chunk.id or chunk.name or "") for chunk in chunks)
        self._budget.spend(size)


class _Call:
    __slots__ = ("announced", "arguments", "id", "name", "number")

    def __init__(self) -> None:
        self.number = -1
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.announced = False


class Step:
    """One message of the model's. `problem` says, once it ended, which call's arguments cannot be read."""

    def __init__(self, numbers: Numbers) -> None:
        self.id: str | None = None
        self.raw_reason: str | None = None
        self.problem: str | None = None
        self._numbers = numbers
        self._calls: list[_Call] = []
        self._slots: dict[int | str, _Call] = {}

    @property
    def reason(self) -> str:
        """Why the model stopped, in our words."""
        return normal_reason(self.raw_reason, calls=bool(self._calls))

    def has_call(self, id: str) -> bool:
        """Whether this step makes the call `id`."""
        return any(call.id == id for call in self._calls)

    def add(self, chunk: CallChunk, events: list[Event]) -> None:
        """Take one fragment, and append what can be told of its call to `events`."""
        call = self._find(chunk)
        # Later fragments repeat both, often as None: only the first real value counts.
        call.id = call.id or chunk.id or ""
        call.name = call.name or chunk.name or ""
        arguments = chunk.args or ""
        if arguments:
            call.arguments.append(arguments)
        if call.announced:
            if arguments:
                events.append(ToolCallDelta(call.number, arguments=arguments))
        elif call.name:
            call.number = self._numbers.next
            self._numbers.next += 1
            call.id = call.id or made_up_id(*((self.id, call.number) if self.id else ()))
            call.announced = True
            events.append(ToolCallDelta(call.number, call.id, call.name, "".join(call.arguments)))

    def _find(self, chunk: CallChunk) -> _Call:
        """Return the call that a fragment belongs to, a new one if it begins one.

        Gemini's calls have no index; each comes whole. OpenAI's count calls, Anthropic's count blocks.
        """
        if chunk.index is None:
            call = self._calls[-1] if self._calls and not (chunk.id or chunk.name) else None
        else:
            call = self._slots.get(chunk.index)
        if call is None or (chunk.id and call.id and chunk.id != call.id):
            call = _Call()
            self._calls.append(call)
            if chunk.index is not None:
                self._slots[chunk.index] = call
        return call

    def end(self) -> list[ToolCall]:
        """Return the whole calls. One that is not whole is a problem, unless the message was cut."""
        whole: list[ToolCall] = []
        cut = self.reason in ("length", "content_filter", "error")
        for call in self._calls:
            arguments = "".join(call.arguments)
            if not call.announced:
                problem = "a tool call came without a name"
            elif cut and call is self._calls[-1] and not arguments.strip():
                # It looks whole, and yet it was the one being written.
                continue
            else:
                try:
                    input = _json.loads(arguments) if arguments.strip() else {}
                except DecodeError:
                    problem = f"the arguments of tool call {call.name!r} are not JSON: {arguments}"
                else:
                    whole.append(ToolCall(call.id, call.name, input, arguments))
                    continue
            if self.problem is None and not cut:
                self.problem = problem
        return whole
