"""What LangChain streams to events: chunks of messages, the dicts of `astream_events`, and LangGraph's tuples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gai_stream.dialects._decoder import DONE, Decoder, read_message
from gai_stream.dialects._errors import provider_error
from gai_stream.events import (
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Raw,
    Safety,
    Start,
    TextDelta,
    ToolResult,
    Usage,
    failure_from,
)
from gai_stream.exceptions import TruncatedStream
from gai_stream.sse import ServerSentEvent

from .blocks import said
from .message import Message, RunEvent, add_usage, is_message, provider_of, read
from .step import Numbers, Step

__all__ = ["LangChainDecoder"]

_MODELS: Final = ("chat_model", "llm")


class LangChainDecoder(Decoder):
    """Turn what one LangChain run streams into events.

    It takes messages and their chunks (`stream`, `astream`), the dicts of `astream_events(version="v2")`, LangGraph's
    `(chunk, metadata)` of `stream_mode="messages"`, also as `(mode, payload)`, as `(namespace, mode, payload)` and as
    the dicts of its `version="v2"`, and any of these as JSON. Every model call of the run is a step, and `Finish`
    tells the tokens of all of them. With `astream_events` the answer ends with the run whose start was seen;
    otherwise it ends when the input does, for LangChain raises where a stream is cut. Of LangGraph's other modes only
    "custom" is told, as Raw: they are the graph's state, and not for clients.

    `max_arguments_size` bounds the tool calls of one answer together, in characters.
    """

    def __init__(self, *, max_arguments_size: int = 1 << 20) -> None:
        super().__init__()
        self._numbers = Numbers(max_arguments_size)
        self._open: dict[tuple[str, str], Step] = {}
        self._told: set[str] = set()
        self._unanswered: dict[str, list[str]] = {}
        self._root: str | None = None
        self._fed = False
        self._started = False
        self._refused = False
        self._count = 0
        self._last: Step | None = None
        self._usage: Usage | None = None

    def _decode(self, message: Any) -> list[Event]:
        if isinstance(message, ServerSentEvent) and message.event == "error":
            return self._fail(failure_from(provider_error(message.data)))
        if isinstance(message, ServerSentEvent | str | bytes | bytearray | memoryview):
            message = read_message(message, self)
            if message is None or message is DONE:
                return []
        if isinstance(message, dict) and {"type", "ns", "data"} <= message.keys():
            message = (message["ns"], message["type"], message["data"])
        if isinstance(message, tuple | list):
            events = self._tuple(message)
        elif isinstance(message, dict) and "event" in message:
            events = self._event(read(message, RunEvent))
        elif is_message(message):
            events = self._message(message, None)
        else:
            events = [Raw("langchain", read_message(message, self))]
        self._fed = True
        return self._begin(events)

    def _end_of_input(self) -> list[Event]:
        if self._root is not None or not self._fed:
            raise TruncatedStream("the stream ended before the run did" if self._fed else "the stream was empty")
        return self._begin(self._close())

    def _begin(self, events: list[Event]) -> list[Event]:
        if self._started or not events:
            return events
        self._started = True
        return events if isinstance(events[0], Start | Failure) else [Start(), *events]

    def _tuple(self, items: Any) -> list[Event]:
        match items:
            case [_, str(mode), payload] | [str(mode), payload]:
                if mode != "messages":
                    return [Raw("langgraph", payload)] if mode == "custom" else []
                items = payload
        match items:
            case [message, metadata] if is_message(message):
                return self._message(message, metadata)
        return [Raw("langchain", items)]

    def _message(self, message: Any, metadata: Any) -> list[Event]:
        """Take a message that comes outside of any event, and find out which of several it belongs to."""
        parsed = read(message, Message)
        if not _is_models(parsed):
            return self._result(parsed) if parsed.type.startswith(("tool", "Tool")) else []
        if parsed.is_chunk:
            key = self._key(parsed, metadata)
            events = self._chunk(parsed, key, metadata)
            return events + (self._end_step(key) if parsed.chunk_position == "last" else [])
        if parsed.id is not None and parsed.id in self._told:
            # LangGraph tells a message again that was streamed before.
            return []
        key = ("whole", parsed.id or "")
        return self._chunk(parsed, key, metadata) + self._end_step(key)

    def _key(self, message: Message, metadata: Any) -> tuple[str, str]:
        """Return the open step of a chunk, by its task of the graph and its run.

        One message's chunks may have two ids: the provider's, and LangChain's, which names the run.
        """
        task = metadata.get("langgraph_checkpoint_ns") if isinstance(metadata, dict) else None
        task = task if isinstance(task, str) else ""
        if message.id is None or not message.id.startswith("lc_"):
            return next((key for key in reversed(self._open) if key[0] == task), (task, ""))
        key = (task, message.id)
        nameless = self._open.get((task, ""))
        if key not in self._open and nameless is not None:
            del self._open[task, ""]
            self._open[key] = nameless
        return key

    def _chunk(self, message: Message, key: tuple[str, str], metadata: Any) -> list[Event]:
        calls = message.calls
        self._numbers.reserve(calls)
        step = self._open.get(key)
        if step is None:
            step = self._open[key] = Step(self._numbers)
            step.id = message.id
        events: list[Event] = []
        if not self._started:
            self._started = True
            events.append(Start(*provider_of(message, metadata), message.id))
        if message.id is not None:
            self._told.add(message.id)
        step.raw_reason = message.raw_reason or step.raw_reason
        if message.usage_metadata is not None:
            self._usage = add_usage(self._usage, message.usage_metadata)
        events += said(message)
        self._refused = self._refused or any(isinstance(event, TextDelta) and event.refusal for event in events)
        for call in calls:
            step.add(call, events)
        return events

    def _end_step(self, key: tuple[str, str]) -> list[Event]:
        step = self._open.pop(key)
        calls = step.end()
        for call in calls:
            self._unanswered.setdefault(call.name, []).append(call.id)
        self._last = step
        self._count += 1
        return [*calls, FinishStep(self._count)]

    def _result(self, message: Message) -> list[Event]:
        """Return the result of a tool. The steps that called it are over, though older versions do not say so."""
        id, name = message.tool_call_id or "", message.name or ""
        events = [event for key in [*self._open] if self._open[key].has_call(id) for event in self._end_step(key)]
        for called, ids in self._unanswered.items():
            if id in ids:
                ids.remove(id)
                name = name or called
        failed = message.status == "error"
        error = message.content if isinstance(message.content, str) else "the tool failed"
        return [*events, ToolResult(id, name, message.content, error if failed else None)]

    def _event(self, event: RunEvent) -> list[Event]:
        kind, _, phase = event.event.removeprefix("on_").rpartition("_")
        key = ("run", event.run_id)
        if self._root is None and phase == "start" and not event.parent_ids and not self._fed:
            self._root = event.run_id
        events: list[Event] = []
        match kind, phase:
            case (("chat_model" | "llm"), "stream"):
                events = self._piece(event.part("chunk"), key, event.metadata)
            case (("chat_model" | "llm"), "end"):
                if key not in self._open:
                    events = self._piece(_generated(event.part("output")), key, event.metadata)
                events += self._end_step(key) if key in self._open else []
            case "tool", "end":
                events = self._output(event)
            case "tool", "error":
                # Its words are for the log.
                id = event.part("tool_call_id")
                events = [self._answer(event, id if isinstance(id, str) else None, None, "the tool failed")]
            case "custom", "event":
                events = [Raw("langchain", {"name": event.name, "data": event.data})]
        if event.run_id == self._root and phase == "error":
            error = event.part("error")
            known = error if isinstance(error, BaseException) else provider_error(error)
            return events + self._fail(failure_from(known))
        return events + (self._close() if event.run_id == self._root and phase == "end" else [])

    def _piece(self, chunk: Any, key: tuple[str, str], metadata: Any) -> list[Event]:
        """Take what a model's run brings: a chunk, a whole message, or the text of a model that does not chat."""
        if not isinstance(chunk, dict) and is_message(getattr(chunk, "message", None)):
            chunk = chunk.message
        if is_message(chunk):
            message = read(chunk, Message)
            return self._chunk(message, key, metadata) if _is_models(message) else []
        text = chunk.get("text") if isinstance(chunk, dict) else getattr(chunk, "text", chunk)
        if not isinstance(text, str):
            return []
        return self._chunk(Message("AIMessageChunk", text), key, metadata)

    def _output(self, event: RunEvent) -> list[Event]:
        output = event.part("output")
        results = [read(message, Message) for message in _messages(output)]
        results = [message for message in results if message.tool_call_id]
        if results:
            return [told for message in results for told in self._result(message)]
        return [self._answer(event, None, output, None)]

    def _answer(self, event: RunEvent, id: str | None, result: Any, error: str | None) -> Event:
        """Return the result of a tool that need not say which call it answers: then it is the first of its name."""
        name = event.name or ""
        waiting = self._unanswered.get(name)
        if id is None:
            id = waiting.pop(0) if waiting else event.run_id
        elif waiting and id in waiting:
            waiting.remove(id)
        return ToolResult(id, name, result, error)

    def _close(self) -> list[Event]:
        events = [event for key in [*self._open] for event in self._end_step(key)]
        if self._refused:
            events.append(Safety("refusal", "block"))
        last = self._last
        if last is not None and last.problem is not None:
            # In an earlier step it would have been the agent's to put right.
            return events + self._fail(Failure("invalid_response", last.problem))
        self._done = True
        reason, raw_reason = (last.reason, last.raw_reason) if last is not None else ("unknown", None)
        return [*events, Finish(reason, self._usage, raw_reason), Done(finished=reason != "error")]


def _is_models(message: Message) -> bool:
    return message.type in ("ai", "AIMessageChunk", "AIMessage")


def _generated(output: Any) -> Any:
    """Return the message or the text in a model's output, which may be a whole result with generations in it."""
    generations = output.get("generations") if isinstance(output, dict) else getattr(output, "generations", None)
    if not isinstance(generations, list):
        return output
    while isinstance(generations, list):
        generations = generations[0] if generations else None
    if isinstance(generations, dict) and is_message(generations.get("message")):
        return generations["message"]
    return generations


def _messages(output: Any) -> Iterator[Any]:
    """Yield the messages in a tool's output: itself, or what a LangGraph Command puts into the graph's state."""
    if is_message(output):
        yield output
        return
    update = getattr(output, "update", None)
    inner = update.get("messages") if isinstance(update, dict) else output
    for entry in inner if isinstance(inner, list | tuple) else ():
        if not isinstance(entry, list | tuple):
            yield from _messages(entry)
