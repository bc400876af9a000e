"""Messages events to ours."""

from __future__ import annotations

from typing import Any, Final, assert_never

import msgspec

from gai_stream.dialects._decoder import DONE, Decoder, read_message
from gai_stream.dialects._errors import provider_error
from gai_stream.events import (
    Citation,
    Citations,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolResult,
    Usage,
    failure_from,
)
from gai_stream.exceptions import DecodeError, TruncatedStream
from gai_stream.sse import ServerSentEvent

from . import extras, wire
from .calls import KINDS, Call, Calls

__all__ = ["AnthropicDecoder"]

_PROVIDER: Final = "anthropic"


class _Block:
    """A block that is open. `start` is where in the answer's text it began; `call` is None unless it is a call."""

    def __init__(self, start: int, call: Call | None = None, *, known: bool = True) -> None:
        self.start = start
        self.call = call
        self.known = known
        self.citations: list[Citation] = []

    def takes(self, delta: wire.Delta) -> bool:
        """Return whether we know what `delta` means in here."""
        return self.known and (delta.type != "input_json_delta" or self.call is not None)

    def cite(self, entry: object) -> None:
        """Keep a source of what this block says."""
        if (citation := extras.citation(entry)) is not None:
            self.citations.append(citation)


class AnthropicDecoder(Decoder):
    """Turn the messages of one Messages stream into events.

    A message is a ServerSentEvent, JSON text or bytes, a dict, or an SDK's object: those of
    `messages.create(stream=True)`, those of `messages.stream()`, or a whole answer that was not streamed. The answer
    ends at `message_stop`; input that ends before is TruncatedStream. A message of the wrong shape is a DecodeError
    that costs that message alone; events, blocks and deltas of unknown types become Raw.

    `max_arguments_size` bounds the tool calls of one answer together, in characters.
    """

    def __init__(self, *, max_arguments_size: int = 1 << 20) -> None:
        super().__init__()
        self._calls = Calls(max_arguments_size)
        self._started = False
        self._id: str | None = None
        self._length = 0
        self._blocks: dict[int, _Block] = {}
        self._ending = wire.Ending()
        self._usage: dict[str, float | None] = {}

    def _decode(self, message: Any) -> list[Event]:
        is_error = isinstance(message, ServerSentEvent) and message.event == "error"
        if getattr(message, "snapshot", None) is not None:
            # The SDK's helper tells the text so far with every piece of it: to read them all would take for ever.
            return []
        try:
            value = read_message(message, self)
        except DecodeError:
            if not is_error:
                raise
            return self._fail(failure_from(provider_error(message.data)))
        if value is None:
            return []
        if value is DONE:
            # Not Anthropic's: gateways send it behind the end, or in its place.
            return self._begin(self._close([])) if self._ending.stop_reason is not None else []
        steps = wire.steps(value, is_error=is_error)
        self._calls.reserve(steps)
        events: list[Event] = []
        for step in steps:
            match step:
                case wire.Error(data=data):
                    return self._fail(failure_from(provider_error(data)))
                case wire.MessageStop(usage=usage):
                    self._count(usage)
                    return self._begin(self._close(events))
                case wire.MessageStart():
                    self._start(step, events)
                case _:
                    self._take(step, events)
        return self._begin(events) if events else []

    def _end_of_input(self) -> list[Event]:
        raise TruncatedStream("the stream ended without message_stop")

    def _begin(self, events: list[Event]) -> list[Event]:
        """Put Start before the first events, if the provider sent none."""
        if not self._started:
            self._started = True
            events.insert(0, Start(None, _PROVIDER, None))
        return events

    def _start(self, step: wire.MessageStart, events: list[Event]) -> None:
        self._count(step.usage)
        if not self._started:
            self._started = True
            self._id = step.id
            events.append(Start(step.model, _PROVIDER, step.id))

    def _take(
        self,
        step: wire.BlockStart | wire.BlockDelta | wire.BlockStop | wire.MessageDelta | wire.Unknown,
        events: list[Event],
    ) -> None:
        match step:
            case wire.BlockDelta(delta=delta):
                block = self._blocks.get(step.index)
                if block is None:
                    # A server forgot to begin it.
                    block = self._blocks[step.index] = _Block(self._length)
                if delta is None or not block.takes(delta):
                    events.append(Raw(_PROVIDER, step.data))
                else:
                    self._grow(block, delta, events)
            case wire.BlockStart(block=wire.Block(id=str(id), arguments="")) if self._is_open(step.index, id):
                # The call is told already.
                pass
            case wire.BlockStart():
                self._stop(step.index, events)
                self._calls.settle(events)
                self._open(step, events)
            case wire.BlockStop():
                self._stop(step.index, events)
            case wire.MessageDelta(ending=ending, usage=usage):
                self._count(usage)
                if ending.stop_reason is not None:
                    self._ending = ending
            case wire.Unknown():
                events.append(Raw(_PROVIDER, step.data))
            case _:
                assert_never(step)

    def _is_open(self, index: int, id: str) -> bool:
        """Whether the block at `index` is the call `id`, of which nothing but its beginning was told."""
        block = self._blocks.get(index)
        return block is not None and block.call is not None and block.call.id == id and not block.call.arguments

    def _open(self, step: wire.BlockStart, events: list[Event]) -> None:
        block = step.block
        if block is None:
            self._blocks[step.index] = _Block(self._length, known=False)
            events.append(Raw(_PROVIDER, step.data))
            return
        opened = self._blocks[step.index] = _Block(self._length)
        if block.type in KINDS:
            opened.call = self._calls.begin(block, self._id, events)
        elif block.type == "redacted_thinking":
            if block.data:
                events.append(ReasoningDelta("", redacted=block.data))
        elif block.type == "thinking":
            if block.thinking or block.signature:
                events.append(ReasoningDelta(block.thinking or "", block.signature or None))
        elif block.type == "text":
            self._text(block.text, events)
            for entry in block.citations if isinstance(block.citations, list) else ():
                opened.cite(entry)
        else:
            id = block.tool_use_id or ""
            name = self._calls.name_of(id) or block.type.removesuffix("_tool_result")
            events.append(ToolResult(id, name, block.content, extras.failure_of(block)))

    def _grow(self, block: _Block, delta: wire.Delta, events: list[Event]) -> None:
        if delta.type == "text_delta":
            self._text(delta.text, events)
        elif delta.type == "thinking_delta":
            if delta.thinking:
                events.append(ReasoningDelta(delta.thinking))
        elif delta.type == "signature_delta":
            if delta.signature:
                events.append(ReasoningDelta("", delta.signature))
        elif delta.type == "citations_delta":
            block.cite(delta.citation)
        elif delta.partial_json and block.call is not None:
            self._calls.grow(block.call, delta.partial_json, events)

    def _text(self, text: str | None, events: list[Event]) -> None:
        if text:
            self._length += len(text)
            events.append(TextDelta(text))

    def _stop(self, index: int, events: list[Event]) -> None:
        """Close a block, if it is open: now the extent of what its citations are for is known."""
        block = self._blocks.pop(index, None)
        if block is None:
            return
        if block.citations:
            span = {"start": block.start, "end": self._length}
            events.append(Citations([msgspec.structs.replace(citation, **span) for citation in block.citations]))
        if block.call is not None:
            self._calls.end(block.call, events)

    def _count(self, usage: wire.Usage | None) -> None:
        """Keep the counts of `usage`: each is of the whole answer so far, and one that is not told stays."""
        if usage is None:
            return
        details = usage.output_tokens_details
        told = {
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "read": usage.cache_read_input_tokens,
            "written": usage.cache_creation_input_tokens,
            "thought": details.thinking_tokens if details is not None else None,
        }
        self._usage.update((key, count) for key, count in told.items() if count is not None)

    def _close(self, events: list[Event]) -> list[Event]:
        for index in list(self._blocks):
            self._stop(index, events)
        ending = self._ending
        raw_reason = ending.stop_reason
        reason = wire.REASONS.get(raw_reason or "", "unknown")
        # After these, a call that is not whole was cut off rather than badly written.
        cut = reason in ("length", "content_filter")
        if not cut:
            self._calls.settle(events)
        if (verdict := extras.verdict(ending)) is not None:
            events.append(verdict)
        if not cut and (problem := self._calls.problem()) is not None:
            return events + self._fail(Failure("invalid_response", problem))
        self._done = True
        finish = Finish(reason, self._total(), raw_reason, ending.stop_sequence)
        return [*events, FinishStep(1), finish, Done()]

    def _total(self) -> Usage | None:
        """Return the usage as the model has it: what came from a cache or went into one is input too."""
        counts = {key: int(count) for key, count in self._usage.items() if count is not None}
        if not counts:
            return None
        input, output = counts.get("input"), counts.get("output")
        read, written = counts.get("read"), counts.get("written")
        if input is not None:
            input += (read or 0) + (written or 0)
        total = None if input is None or output is None else input + output
        return Usage(input, output, total, counts.get("thought"), read, written)
