"""Tool calls: whole ones, ones that come value by value, and those that Google runs by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from gai_stream import _json
from gai_stream.dialects._budget import Budget
from gai_stream.dialects._calls import made_up_id
from gai_stream.dialects._encoder import known
from gai_stream.events import Event, ToolCall, ToolCallDelta, ToolResult
from gai_stream.exceptions import DecodeError, EncodeError

from .partial_arguments import PartialArguments
from .wire import CodeExecutionResult, ExecutableCode, FunctionCall, Part

__all__ = ["CODE_EXECUTION", "Calls"]

CODE_EXECUTION: Final = "code_execution"
"""The tool that `executableCode` and `codeExecutionResult` belong to, by the API's own name for it."""


class _Open:
    """A call whose arguments are still coming."""

    __slots__ = ("args", "id", "name", "number", "partial", "signature")

    def __init__(self, number: int, id: str, name: str) -> None:
        self.number = number
        self.id = id
        self.name = name
        self.args: dict[str, Any] = {}
        self.partial = PartialArguments()
        self.signature: str | None = None


class Calls:
    """Number the calls of one answer and tell each when it is whole.

    `limit` bounds what is kept of all calls together, in characters.
    """

    def __init__(self, limit: int) -> None:
        self.choices: set[int] = set()
        """The choices that made calls for the client to run."""
        self.problem: str | None = None
        """What is wrong with the first call that is none."""
        self._budget = Budget(limit)
        self._count = 0
        self._open: dict[int, _Open] = {}
        self._running: dict[int, str] = {}

    def reserve(self, parts: Iterable[Part]) -> None:
        """Count what `parts` bring, all of it before any of it.

        Raises LimitExceeded, and DecodeError for arguments that have no JSON form.
        """
        size = 0
        for part in parts:
            if (call := part.function_call) is not None:
                size += 1 + len(call.name or "") + len(_text(call.args))
                for arg in call.partial_args or ():
                    size += 1 + len(arg.json_path or "") + len(arg.string_value or "")
            if part.executable_code is not None:
                size += len(part.executable_code.code or "")
        self._budget.spend(size)

    def add(self, part: FunctionCall, signature: str | None, choice: int, stream_id: str | None) -> list[Event]:
        """Return what a functionCall tells: it is whole, or it begins, continues or ends one that comes in pieces."""
        events: list[Event] = []
        call = self._open.get(choice)
        if part.name:
            # The piece that ends a call may be missing.
            events += self._end(choice)
            self.choices.add(choice)
            call = self._open[choice] = _Open(*self._number(part.id, stream_id), part.name)
        if call is None:
            if part.args or part.partial_args:
                self.problem = self.problem or "a tool call came without a name"
            return events
        call.signature = call.signature or signature
        call.args.update(part.args or {})
        for arg in part.partial_args or ():
            call.partial.add(arg)
        return events if part.will_continue else events + self._end(choice)

    def run(self, part: ExecutableCode, signature: str | None, choice: int, stream_id: str | None) -> list[Event]:
        """Return the call that is code for Google to run."""
        number, id = self._number(part.id, stream_id)
        self._running[choice] = id
        return _told(number, id, CODE_EXECUTION, known(language=part.language, code=part.code), choice, signature)

    def ran(self, part: CodeExecutionResult, choice: int, stream_id: str | None) -> Event:
        """Return what the last code of the choice gave."""
        id = part.id or self._running.get(choice) or _id_of(stream_id, CODE_EXECUTION)
        result = known(outcome=part.outcome, output=part.output)
        error = None if part.outcome == "OUTCOME_OK" else part.output or part.outcome
        return ToolResult(id, CODE_EXECUTION, result, error)

    def finish(self, cut: Collection[int]) -> list[Event]:
        """End the calls that are still open; those of the choices in `cut` were cut off, and are no calls."""
        return [event for choice in [*self._open] if choice not in cut for event in self._end(choice)]

    def _number(self, id: str | None, stream_id: str | None) -> tuple[int, str]:
        number = self._count
        self._count += 1
        return number, id or _id_of(stream_id, number)

    def _end(self, choice: int) -> list[Event]:
        if (call := self._open.pop(choice, None)) is None:
            return []
        input = call.args | call.partial.value()
        if (path := call.partial.problem) is not None:
            wrong = f"the arguments of tool call {call.name!r} do not fit together at {path!r}: {_text(input)}"
            self.problem = self.problem or wrong
            return []
        return _told(call.number, call.id, call.name, input, choice, call.signature, "function")


def _id_of(stream_id: str | None, call: int | str) -> str:
    return made_up_id(stream_id, call) if stream_id else made_up_id()


def _told(
    number: int, id: str, name: str, input: dict[str, Any], choice: int, signature: str | None, kind: str = "server"
) -> list[Event]:
    arguments = _text(input)
    return [
        ToolCallDelta(number, id, name, arguments, choice, kind),
        ToolCall(id, name, input, arguments, choice, kind, signature),
    ]


def _text(args: dict[str, Any] | None) -> str:
    try:
        return _json.dumps(args or {}).decode()
    except EncodeError as exc:
        raise DecodeError(f"not a Gemini chunk: {exc}") from exc
