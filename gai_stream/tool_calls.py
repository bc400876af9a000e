"""Tool calls as a user interface shows them: each as far as it has come, its input readable before it is whole."""

from __future__ import annotations

from typing import Any

from .events import Event, ToolCall, ToolCallDelta
from .exceptions import LimitExceeded

__all__ = ["PartialToolCall", "ToolCalls"]


class PartialToolCall:
    """A tool call, as far as it has come.

    `index` numbers the calls of the answer, `choice` and `kind` are those of ToolCallDelta; `id` and `name` are ""
    until they are told. `complete` says that the call is whole.
    """

    __slots__ = ("_input", "_joined", "_parsed", "_pieces", "choice", "complete", "id", "index", "kind", "name")

    def __init__(self, index: int, choice: int = 0) -> None:
        self.index = index
        self.choice = choice
        self.id = ""
        self.name = ""
        self.kind = "function"
        self.complete = False
        self._pieces: list[str] = []
        self._joined = ""
        self._parsed = ""
        self._input: Any = None

    def __repr__(self) -> str:
        state = "complete" if self.complete else "partial"
        return f"<PartialToolCall {self.index} {self.name!r} {self.arguments!r} ({state})>"

    @property
    def arguments(self) -> str:
        """The text of the arguments so far, as the provider wrote it."""
        if self._pieces:
            self._joined += "".join(self._pieces)
            self._pieces.clear()
        return self._joined

    @property
    def input(self) -> Any:
        """The value of the arguments so far: what is whole of them, the last string as far as it goes; None before.

        It is parsed when you ask, all of it each time that something came: ask when you paint, and not for every
        fragment, which would take time in the square of the arguments' length. Text that is not JSON leaves the last
        value that could be read. Of a "custom" call it is the text. Needs the extra `partial`, unless the call is
        complete; raises ImportError without it.
        """
        if self.complete:
            return self._input
        text = self.arguments
        if self.kind == "custom":
            return text
        if text != self._parsed and text.strip():
            self._input = _parse(text, self._input)
            self._parsed = text
        return self._input


class ToolCalls:
    """Join the tool calls of one answer: give every event to `add`, and look at `calls`.

    `max_arguments_size` bounds what is kept of all calls together, in characters.
    """

    def __init__(self, *, max_arguments_size: int = 1 << 20) -> None:
        if type(max_arguments_size) is not int or max_arguments_size < 1:
            raise ValueError(f"max_arguments_size must be a whole number of at least 1, not {max_arguments_size!r}")
        self.calls: list[PartialToolCall] = []
        """Every call, in the order in which they began."""
        self._limit = max_arguments_size
        self._size = 0
        self._open: dict[tuple[int, int], PartialToolCall] = {}

    def add(self, event: Event) -> PartialToolCall | None:
        """Take one event and return the call that it adds to; None for what is not of a tool call.

        Raises LimitExceeded, and takes nothing of the event.
        """
        if isinstance(event, ToolCallDelta):
            return self._add(event)
        return self._complete(event) if isinstance(event, ToolCall) else None

    def _add(self, event: ToolCallDelta) -> PartialToolCall:
        self._reserve(event)
        key = (event.choice, event.index)
        call = self._open.get(key)
        if call is None or (event.id and call.id and event.id != call.id):
            call = self._open[key] = self._new(event.index, event.choice)
        call.id = call.id or event.id or ""
        call.name = call.name or event.name or ""
        if event.kind != "function":
            call.kind = event.kind
        if event.arguments:
            call._pieces.append(event.arguments)
        return call

    def _complete(self, event: ToolCall) -> PartialToolCall:
        # One whose id was not told yet may be this one, unless another says that it is.
        keys = [key for key, call in self._open.items() if _is_of(call, event)]
        key = next((key for key in keys if self._open[key].id), keys[0] if keys else None)
        if key is None:
            self._reserve(event)
        call = self._new(len(self.calls), event.choice) if key is None else self._open.pop(key)
        call.id, call.name, call.kind = event.id, event.name, event.kind
        call._pieces, call._joined, call._input = [], event.arguments, event.input
        call.complete = True
        return call

    def _new(self, index: int, choice: int) -> PartialToolCall:
        call = PartialToolCall(index, choice)
        self.calls.append(call)
        return call

    def _reserve(self, event: ToolCallDelta | ToolCall) -> None:
        size = 1 + len(event.id or "") + len(event.name or "") + len(event.arguments)
        if self._size + size > self._limit:
            raise LimitExceeded(
                f"tool calls are longer than {self._limit} characters: raise max_arguments_size if that is right",
                option="max_arguments_size",
                limit=self._limit,
            )
        self._size += size


def _is_of(call: PartialToolCall, event: ToolCall) -> bool:
    """Whether `call` may be what came of `event`, as far as its id and name were told."""
    return call.choice == event.choice and call.id in ("", event.id) and call.name in ("", event.name)


def _parse(text: str, otherwise: Any) -> Any:
    try:
        import jiter
    except ImportError as exc:
        raise ImportError(
            "the input of a call that is not complete needs jiter: pip install gai-stream[partial]"
        ) from exc
    try:
        return jiter.from_json(text.encode("utf-8", "replace"), partial_mode="trailing-strings")
    except ValueError:
        return otherwise
