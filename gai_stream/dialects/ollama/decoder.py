"""Ollama's lines to events: those of `/api/chat` and of `/api/generate`."""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

import msgspec

from gai_stream import _json
from gai_stream.dialects._budget import Budget
from gai_stream.dialects._calls import made_up_id
from gai_stream.dialects._decoder import DONE, Decoder, read_message
from gai_stream.dialects._errors import provider_error
from gai_stream.events import (
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    failure_from,
)
from gai_stream.exceptions import DecodeError, EncodeError, TruncatedStream

__all__ = ["OllamaDecoder"]

# "load" and "unload" answer a request that has no prompt; old servers give no reason at all.
_REASONS: Final[dict[str | None, str]] = {"stop": "stop", "length": "length"}


class _Function(msgspec.Struct, gc=False):
    """What is to be called. Some servers that resemble Ollama send `arguments` as text."""

    name: str
    arguments: dict[str, Any] | str | None = None


class _Call(msgspec.Struct, gc=False):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None
    images: Any = None


class _Line(msgspec.Struct, gc=False):
    """One line: of `/api/chat` it has `message`, of `/api/generate` the same things at the top, as `response`."""

    model: str | None = None
    created_at: Any = None
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None
    image: Any = None
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: float | None = None
    eval_count: float | None = None


class OllamaDecoder(Decoder):
    """Turn the lines of one answer of Ollama's into events.

    A message is a line as a dict, JSON text or bytes, a ServerSentEvent that holds it, or an object of the `ollama`
    package; an answer in one piece has the same shape as a line. The answer ends at the line that is `done`; input
    that ends before is TruncatedStream. Log probabilities, durations and `context` have no place among the events;
    images and lines of another kind become Raw.

    `max_arguments_size` bounds the tool calls of one answer together, in characters.
    """

    def __init__(self, *, max_arguments_size: int = 1 << 20) -> None:
        super().__init__()
        self._budget = Budget(max_arguments_size)
        self._started = False
        self._calls = 0

    def _decode(self, message: Any) -> list[Event]:
        value = read_message(message, self)
        if value is None or value is DONE:
            return []
        if not isinstance(value, dict):
            return self._begin(None, [Raw("ollama", value)])
        if value.get("error"):
            # A message beside it is the answer's, not the error's.
            told = {key: part for key, part in value.items() if key != "message"}
            return self._fail(failure_from(provider_error(told)))
        if not value.keys() & {"message", "response", "done"}:
            return self._begin(None, [Raw("ollama", value)]) if value else []
        return self._line(_json.convert(value, _Line, what="a line of Ollama's"))

    def _end_of_input(self) -> list[Event]:
        raise TruncatedStream("the stream ended without a line that is done")

    def _line(self, line: _Line) -> list[Event]:
        calls = self._read_calls(line)
        events: list[Event] = []
        told = line.message or _Message()
        if thinking := told.thinking or line.thinking:
            events.append(ReasoningDelta(thinking))
        if text := told.content or line.response:
            events.append(TextDelta(text))
        if told.images:
            events.append(Raw("ollama", {"message": {"images": told.images}}))
        if line.image:
            events.append(Raw("ollama", {"image": line.image}))
        for given, name, arguments in calls:
            number = self._calls
            self._calls += 1
            # The time of the line stands for the id that an answer of Ollama's does not have.
            id = given or made_up_id(*((line.created_at, number, name, arguments) if line.created_at else ()))
            events.append(ToolCallDelta(number, id, name, arguments))
            try:
                input = _json.loads(arguments) if arguments.strip() else {}
            except DecodeError:
                problem = f"the arguments of tool call {name!r} are not JSON: {arguments}"
                return self._begin(line, events) + self._fail(Failure("invalid_response", problem))
            events.append(ToolCall(id, name, input, arguments))
        if line.done:
            events += self._close(line)
        return self._begin(line, events)

    def _read_calls(self, line: _Line) -> list[tuple[str | None, str, str]]:
        """Return id, name and arguments of the line's calls. Raises LimitExceeded and DecodeError."""
        entries = (line.message.tool_calls if line.message else None) or line.tool_calls or []
        calls = [(entry.id, entry.function.name, _text(entry.function.arguments)) for entry in entries]
        self._budget.spend(sum(len(name) + len(arguments) for _, name, arguments in calls))
        return calls

    def _begin(self, line: _Line | None, events: list[Event]) -> list[Event]:
        """Put Start before the first line's events."""
        if self._started:
            return events
        self._started = True
        return [Start(line.model if line else None, "ollama"), *events]

    def _close(self, line: _Line) -> list[Event]:
        self._done = True
        reason = _REASONS.get(line.done_reason, "unknown")
        if self._calls and reason != "length":
            # Ollama stops for its calls, too.
            reason = "tool_calls"
        return [FinishStep(1), Finish(reason, _usage(line), line.done_reason), Done()]


def _text(arguments: dict[str, Any] | str | None) -> str:
    if isinstance(arguments, str):
        return arguments
    try:
        return _json.dumps(arguments or {}).decode()
    except EncodeError as exc:
        raise DecodeError(f"not a line of Ollama's: {exc}") from exc


def _usage(line: _Line) -> Usage | None:
    """Return the line's counts. That of the prompt is missing where it was cached: it is unknown then, and no 0."""
    given, made = (
        None if count is None or not isfinite(count) else int(count)
        for count in (line.prompt_eval_count, line.eval_count)
    )
    if given is None and made is None:
        return None
    return Usage(given, made, None if given is None or made is None else given + made)
